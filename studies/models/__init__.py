"""The project's own small networks: seeded generators and the ONNX files that they made.

`python -m studies.models` writes the files again; `studies/models/README.md` describes them.
"""
