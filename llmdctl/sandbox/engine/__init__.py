"""A model server without a model: what vLLM and SGLang show of themselves, made from what they would have done.

Its own process in its own image: it imports nothing else of llmdctl and reads only data (the parser snapshots). Text is
noise that depends on the prompt alone, so that two ways of serving one prompt can be compared; the KV cache, the batch,
the queue, the transfer between servers and every number in /metrics are real.
"""
