"""The mesh: encrypted links between the members of a farm, over ZeroMQ or in memory.

Bytes in, bytes out; what the bytes mean lives in protocol/.
"""

from peerfarm.mesh.api import (
    MAX_MESSAGE_BYTES,
    NOT_KNOWN,
    JoinAnswered,
    JoinAsked,
    JoinFailed,
    KeyPair,
    Link,
    LinkDown,
    LinkUp,
    Mesh,
    MeshEvent,
    PeerKeyChanged,
    Received,
    Refused,
    Traffic,
)
from peerfarm.mesh.joinstring import JoinString, format_join, is_public_key, parse_join
from peerfarm.mesh.memory import MemoryNetwork, Unordered
from peerfarm.mesh.memory_mesh import MemoryMesh
from peerfarm.mesh.zmqmesh import ZmqMesh, new_keys

__all__ = [
    "MAX_MESSAGE_BYTES",
    "NOT_KNOWN",
    "JoinAnswered",
    "JoinAsked",
    "JoinFailed",
    "JoinString",
    "KeyPair",
    "Link",
    "LinkDown",
    "LinkUp",
    "MemoryMesh",
    "MemoryNetwork",
    "Mesh",
    "MeshEvent",
    "PeerKeyChanged",
    "Received",
    "Refused",
    "Traffic",
    "Unordered",
    "ZmqMesh",
    "format_join",
    "is_public_key",
    "new_keys",
    "parse_join",
]
