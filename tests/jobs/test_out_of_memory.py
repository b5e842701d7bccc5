"""Each of the words in which libraries, the loader and the interpreter say that an allocation failed."""

import pytest

from jobs.out_of_memory import PHRASES, says_out_of_memory

SAID = {
    "memoryerror": "MemoryError: ",
    "bad_alloc": "terminate called after throwing an instance of 'std::bad_alloc'",
    "out of memory": "LLVM ERROR: Out of memory",
    "unable to allocate": "numpy: Unable to allocate 7.45 GiB for an array",
    "cannot allocate memory": "OSError: [Errno 12] Cannot allocate memory",
    "can't start new thread": "RuntimeError: can't start new thread",
    "memory allocation of": "memory allocation of 549755813888 bytes failed",
    "failed to map segment": "libscipy.so: failed to map segment from shared object",
}


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_phrase_is_known_by_itself(phrase: str) -> None:
    said = SAID[phrase]
    assert says_out_of_memory(said)
    assert [other for other in PHRASES if other in said.lower()] == [phrase]


@pytest.mark.parametrize("text", ["", "ValueError: could not convert string to float", "the memory of the model"])
def test_anything_else_says_something_else(text: str) -> None:
    assert not says_out_of_memory(text)
