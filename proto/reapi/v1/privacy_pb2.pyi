from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class PrivacyClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIVACY_CLASS_UNSPECIFIED: _ClassVar[PrivacyClass]
    PRIVACY_CLASS_BODY: _ClassVar[PrivacyClass]
    PRIVACY_CLASS_SECRET: _ClassVar[PrivacyClass]
    PRIVACY_CLASS_PERSONAL: _ClassVar[PrivacyClass]
PRIVACY_CLASS_UNSPECIFIED: PrivacyClass
PRIVACY_CLASS_BODY: PrivacyClass
PRIVACY_CLASS_SECRET: PrivacyClass
PRIVACY_CLASS_PERSONAL: PrivacyClass
PRIVACY_FIELD_NUMBER: _ClassVar[int]
privacy: _descriptor.FieldDescriptor
