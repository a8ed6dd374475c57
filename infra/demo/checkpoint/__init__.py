"""The embedded checkpoint: MiniCPM-V's true architecture, small enough for two CPU cores.

A folder that vLLM loads like the published one. `build` puts it together from four
parts that change for different reasons: `architecture`, `tokenizer`, `weights` and the
two modules that travel inside the folder (`configuration`, `image_processor`).
"""
