"""The `grpc_python` generator of grpcio-tools as a protoc plugin of its own.

It is built into grpcio-tools' protoc, and buf only runs plugins: a CodeGeneratorRequest comes in
on standard input, a CodeGeneratorResponse goes out. The generator wants files, so both pass
through a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """The `*_pb2_grpc.py` files for *request*."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    with tempfile.TemporaryDirectory() as name:
        descriptors, out = Path(name, "descriptors"), Path(name, "out")
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        out.mkdir()
        arguments = [f"--descriptor_set_in={descriptors}", f"--grpc_python_out={out}"]
        if protoc.main(["protoc", *arguments, *request.file_to_generate]) != 0:
            response.error = "grpc_python failed"
        for path in sorted(out.rglob("*.py")):
            content = path.read_text(encoding="utf-8")
            response.file.add(name=path.relative_to(out).as_posix(), content=content)
    return response


if __name__ == "__main__":
    asked = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(asked).SerializeToString())
