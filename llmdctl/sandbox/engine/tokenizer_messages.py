"""The messages of llm-d's tokenizer service, as far as an endpoint picker 0.7 sends and reads them.

Names, numbers and types of the fields are those of github.com/llm-d/llm-d-kv-cache v0.7.1, package `tokenization`;
later versions only add to them. What is not named here (tools, templates, pictures) is skipped when it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "tokenization"
SERVICE: Final = "tokenization.TokenizationService"
Message: TypeAlias = Any
"""An object of the library, which makes its classes while it runs and has no types."""

_Fields = Mapping[str, tuple[int, str]]  # name -> number, type; `[]` behind the type: many
_MESSAGES: Final[Mapping[str, _Fields]] = {
    "InitializeTokenizerRequest": {"model_name": (1, "string")},
    "InitializeTokenizerResponse": {"success": (1, "bool"), "error_message": (2, "string")},
    "RenderCompletionRequest": {"model_name": (1, "string"), "prompt": (2, "string")},
    "RenderCompletionResponse": {
        "request_id": (1, "string"), "token_ids": (2, "uint32[]"),
        "success": (3, "bool"), "error_message": (4, "string"),
    },
    "ContentPart": {"type": (1, "string"), "text": (2, "string")},
    "ChatMessage": {"role": (1, "string"), "content": (2, "string"), "content_parts": (3, "ContentPart[]")},
    "RenderChatCompletionRequest": {"model_name": (1, "string"), "messages": (2, "ChatMessage[]")},
    "RenderChatCompletionResponse": {
        "request_id": (1, "string"), "token_ids": (2, "uint32[]"),
        "success": (4, "bool"), "error_message": (5, "string"),
    },
}  # fmt: skip
_Field: Final = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {"string": _Field.TYPE_STRING, "bool": _Field.TYPE_BOOL, "uint32": _Field.TYPE_UINT32}


def _file() -> Message:
    found = descriptor_pb2.FileDescriptorProto(name="llmdctl/tokenization", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = found.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add(message, field, number, kind)
    return found


def _add(message: Message, name: str, number: int, kind: str) -> None:
    plain = kind.removesuffix("[]")
    label = _Field.LABEL_REPEATED if plain != kind else _Field.LABEL_OPTIONAL
    if plain in _SCALARS:
        message.field.add(name=name, number=number, label=label, type=_SCALARS[plain])
    else:
        place = f".{PACKAGE}.{plain}"
        message.field.add(name=name, number=number, label=label, type=_Field.TYPE_MESSAGE, type_name=place)


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def kind(name: str) -> Message:
    """The class of one message, such as `RenderCompletionRequest`. Raises KeyError for one that is not named here."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))
