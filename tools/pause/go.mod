module llmdctl.dev/tools/pause

go 1.25.7
