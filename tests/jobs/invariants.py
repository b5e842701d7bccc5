"""The whole store in one reading, and what must hold of it at any moment. Independent of the product's own checks."""

import json
from collections import Counter
from typing import Any

DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', 'shap:*')) do
  local kind, body = redis.call('TYPE', key).ok, nil
  if kind == 'hash' and (string.sub(key, -9) == ':partials' or string.sub(key, -7) == ':sample') then  -- binary
    body = {}
    for _, field in ipairs(redis.call('HKEYS', key)) do
      body[#body + 1] = field; body[#body + 1] = tostring(redis.call('HSTRLEN', key, field))
    end
  elseif kind == 'hash' then body = redis.call('HGETALL', key)
  elseif kind == 'list' then body = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'zset' then body = redis.call('ZRANGE', key, 0, -1)
  elseif kind == 'set' then body = redis.call('SMEMBERS', key)
  else body = {redis.call('GET', key)} end
  found[#found + 1] = {key, redis.call('TTL', key), kind, body}
end
return cjson.encode(found)
"""
ENDED = {"finished", "failed", "cancelled"}
OF_JOB = ("chunks", "pending", "attempts", "values", "results", "partials", "sample")


class Picture:
    """What `DUMP` read: `hashes`, `lists` (zsets too, by score) and `ttls` by key without the prefix."""

    def __init__(self, raw: bytes) -> None:
        self.hashes: dict[str, dict[str, str]] = {}
        self.lists: dict[str, list[str]] = {}
        self.ttls: dict[str, int] = {}
        for key, ttl, kind, texts in json.loads(raw):
            name = key.removeprefix("shap:")
            self.ttls[name] = ttl
            if kind == "hash":
                self.hashes[name] = dict(zip(texts[::2], texts[1::2], strict=True))
            else:
                self.lists[name] = texts
        self.jobs = {name[4:]: fields for name, fields in self.hashes.items() if name.count(":") == 1 and _is_job(name)}
        self.owned = {
            name.split(":")[1]: members
            for name, members in self.lists.items()
            if name.startswith("supervisor:") and name.endswith(":leased")
        }

    def __eq__(self, other: object) -> bool:
        """Times apart."""
        return isinstance(other, Picture) and (self.hashes, self._named, set(self.ttls)) == (
            other.hashes,
            other._named,
            set(other.ttls),
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def _named(self) -> dict[str, list[str]]:
        return {name: sorted(items) if name == "leases" else items for name, items in self.lists.items()}

    def chunks(self, job_id: str) -> dict[str, dict[str, Any]]:
        return {name: json.loads(raw) for name, raw in self.hashes.get(f"job:{job_id}:chunks", {}).items()}

    def holds(self, job_id: str, chunk_id: str, token: int) -> bool:
        """Whether the token is the chunk's valid one."""
        raw = self.hashes.get(f"job:{job_id}:chunks", {}).get(chunk_id)
        chunk = json.loads(raw) if raw else {}
        return chunk.get("state") == "leased" and chunk["token"] == token


def check(picture: Picture) -> None:
    """Every invariant; an AssertionError names what is broken."""
    for job_id, fields in picture.jobs.items():
        if fields["state"] in ENDED:
            _check_ended(picture, job_id, fields)
        else:
            _check_living(picture, job_id, fields)
    _check_owners(picture)
    check_callers(picture)


def _is_job(name: str) -> bool:
    return name.startswith("job:")


def _members(picture: Picture, job_id: str) -> tuple[list[str], list[str]]:
    """The job's chunks in the supervisors' lists and among the leases."""
    owned = [member for members in picture.owned.values() for member in members]
    leases = picture.lists.get("leases", [])
    return _of(owned, job_id), _of(leases, job_id)


def _of(members: list[str], job_id: str) -> list[str]:
    return [member.split("/")[1] for member in members if member.startswith(job_id)]


def _check_living(picture: Picture, job_id: str, fields: dict[str, str]) -> None:
    chunks = picture.chunks(job_id)
    pending = picture.lists.get(f"job:{job_id}:pending", [])
    owned, leases = _members(picture, job_id)
    states: dict[str, list[str]] = {"pending": [], "leased": [], "done": [], "dead": []}
    for chunk in chunks.values():
        states[chunk["state"]].append(chunk["id"])
    assert sorted(pending) == sorted(states["pending"]), "pending chunks are in the list once, and no others"
    assert sorted(owned) == sorted(leases) == sorted(states["leased"]), "leased chunks have one owner and one lease"
    assert not states["dead"]
    for name in states["leased"]:
        assert f"{job_id}/{name}" in picture.owned[chunks[name]["owner"]]
    assert _rotations(picture, job_id) == [own("ready", fields)] * bool(pending), (
        "in its caller's rotation while it waits"
    )
    assert pending or owned, "somebody can go on with it"
    assert (fields["state"] == "queued") == all(chunk["token"] == 0 for chunk in chunks.values())
    _check_rows(picture, job_id, fields, chunks)
    _check_counts(picture, job_id, fields)
    for key in (f"job:{job_id}", *(f"job:{job_id}:{part}" for part in OF_JOB), *_blobs(fields)):
        assert picture.ttls.get(key, -1) == -1, f"{key} expires"
    _check_uploads(picture, fields, chunks)


def _check_rows(picture: Picture, job_id: str, fields: dict[str, str], chunks: dict[str, dict[str, Any]]) -> None:
    """Every row once: in a chunk that waits, runs, or has a result."""
    results = picture.lists.get(f"job:{job_id}:results", [])
    committed = {entry.split(":")[0]: entry for entry in results}
    assert len(committed) == len(results), "one result a chunk"
    alive = [c for c in chunks.values() if c["kind"] == "rows" and (c["state"] != "done" or c["id"] in committed)]
    rows = sorted((chunk["first"], chunk["last"]) for chunk in alive)
    if "rows" in fields:
        ends = [-1, *(last for _, last in rows)]
        assert [first for first, _ in rows] == [end + 1 for end in ends[:-1]], "no row twice, none left out"
        assert ends[-1] == int(fields["rows"]) - 1
        assert int(fields["chunks"]) == len(rows)
    done = [chunks[name] for name in committed]
    assert int(fields.get("chunks_done", 0)) == len(done)
    assert int(fields.get("rows_done", 0)) == sum(chunk["last"] - chunk["first"] + 1 for chunk in done)
    assert set(picture.hashes.get(f"job:{job_id}:partials", {})) == set(committed)
    sample = picture.hashes.get(f"job:{job_id}:sample", {})
    assert set(sample) <= set(committed)
    assert int(fields.get("sample_bytes", 0)) == sum(map(int, sample.values()))
    held = {f"{chunk['id']}:{chunk['token']}" for chunk in chunks.values() if chunk["state"] == "leased"}
    _check_values(picture, job_id, set(results), held)


def _check_uploads(picture: Picture, fields: dict[str, str], chunks: dict[str, dict[str, Any]]) -> None:
    """What an unfinished chunk reads is there, and counted (the machine's uploads have one piece)."""
    unread = [chunk for chunk in chunks.values() if chunk["state"] != "done"]
    readers = sum(chunk["kind"] == "rows" for chunk in unread)
    for key in _blobs(fields):
        pieces = picture.hashes.get(key, {})
        assert "0" in pieces or not (readers or any(chunk["kind"] == "open" for chunk in unread)), (
            "an upload is missing"
        )
        assert "readers:0" not in pieces or int(pieces["readers:0"]) == readers


def _check_values(picture: Picture, job_id: str, results: set[str], held: set[str]) -> None:
    stored = {field.rsplit(":", 1)[0] for field in picture.hashes.get(f"job:{job_id}:values", {})}
    assert results <= stored, "committed values are there"
    assert stored <= results | held, "values of nobody"


def _check_counts(picture: Picture, job_id: str, fields: dict[str, str]) -> None:
    records = [json.loads(raw) for raw in picture.lists.get(f"job:{job_id}:attempts", [])]
    codes = Counter(record.get("code") for record in records)
    losses = codes["supervisor_lost"]
    assert int(fields.get("crashes", 0)) == losses
    assert int(fields.get("attempts", 0)) == len(records) - losses - codes["drained"]


def _check_ended(picture: Picture, job_id: str, fields: dict[str, str]) -> None:
    owned, leases = _members(picture, job_id)
    assert not owned
    assert not leases
    assert not _rotations(picture, job_id)
    for part in ("pending", "partials"):
        assert f"job:{job_id}:{part}" not in picture.ttls
    for key in (f"job:{job_id}", *(f"job:{job_id}:{part}" for part in OF_JOB)):
        assert picture.ttls.get(key, 1) >= 0, f"{key} has no TTL"
    own_blobs = [key for key in _blobs(fields) if not _is_shared(picture, key)]
    assert not [key for key in own_blobs if key in picture.ttls], "uploads are gone"
    chunks = picture.chunks(job_id)
    assert {chunk["state"] for chunk in chunks.values()} <= {"done", "dead"}
    if fields["state"] == "finished":
        assert "summary" in fields
        assert fields["rows"] == fields["rows_done"]
        if chunks and f"job:{job_id}:results" in picture.ttls and f"job:{job_id}:values" in picture.ttls:
            results = picture.lists[f"job:{job_id}:results"]
            rows = [chunks[entry.split(":")[0]] for entry in results]
            assert sum(chunk["last"] - chunk["first"] + 1 for chunk in rows) == int(fields["rows"])
            _check_values(picture, job_id, set(results), set())
    else:
        assert f"job:{job_id}:sample" not in picture.ttls
        assert ("error" in fields) == (fields["state"] == "failed")
        assert f"job:{job_id}:values" not in picture.ttls


def _check_owners(picture: Picture) -> None:
    """No key that belongs to nobody."""
    used = {key for fields in picture.jobs.values() for key in _blobs(fields)}
    for key, ttl in picture.ttls.items():
        if _is_job(key):
            assert key.split(":")[1] in picture.jobs, f"{key} has no job"
        if key.startswith("blob:"):
            assert ttl >= 0 or key in used or key in _registered(picture), f"{key} has no job"
        if key.startswith("idempotency:"):
            assert ttl >= 0
    living = {member for job_id in picture.jobs for member in (*picture.chunks(job_id),)}
    for member in picture.lists.get("leases", []):
        assert member.split("/")[1] in living


def own(name: str, fields: dict[str, str]) -> str:
    """The caller's own of a list."""
    return f"{name}:{fields['caller']}" if "caller" in fields else name


def _is_shared(picture: Picture, key: str) -> bool:
    """A registered model's: it goes with its name and the last job that uses it."""
    return bool({"registered", "users"} & picture.hashes.get(key, {}).keys())


def _rotations(picture: Picture, job_id: str) -> list[str]:
    """The ready lists in which it is."""
    ready = {name: ids for name, ids in picture.lists.items() if name == "ready" or name.startswith("ready:")}
    return [name for name, ids in ready.items() for found in ids if found == job_id]


def check_callers(picture: Picture) -> None:
    """Counters equal what is there; whose jobs wait has one turn; whose things are whose."""
    names = {fields.get("caller", "") for fields in picture.jobs.values()}
    names |= {name.split(":")[1] for name in picture.ttls if name.startswith("caller:")}
    turns = picture.lists.get("turns", [])
    assert sorted(turns) == sorted(name for name in names if f"ready:{name}".removesuffix(":") in picture.lists)
    for name in names:
        jobs = {job_id: one for job_id, one in picture.jobs.items() if one.get("caller", "") == name}
        living = [fields for fields in jobs.values() if fields["state"] not in ENDED]
        kept = {entry.split(":")[0]: int(entry.split(":")[1]) for entry in picture.lists.get(f"caller:{name}:kept", [])}
        uploads = sum(_uploaded(fields) for fields in living)
        values = sum(_values(fields) for fields in living) + sum(kept.values())
        counted = picture.hashes.get(f"caller:{name}", {})
        assert int(counted.get("jobs", 0)) == len(living)
        assert int(counted.get("bytes", 0)) == uploads + values + _models(picture, name)
        for job_id, size in kept.items():
            assert jobs[job_id]["state"] == "finished"
            assert _values(jobs[job_id]) == size
        listed = picture.lists.get(f"jobs:{name}".removesuffix(":"), [])
        assert set(listed) == set(jobs), "each caller's jobs are in its own index"
        assert not name or name in picture.lists["callers"]


def _registered(picture: Picture) -> set[str]:
    """Blobs that have a name."""
    tables = [fields for name, fields in picture.hashes.items() if name.split(":")[0] == "models"]
    return {f"blob:{json.loads(record)['blob']['id']}" for fields in tables for record in fields.values()}


def _uploaded(fields: dict[str, str]) -> int:
    parts = json.loads(fields["inputs"]).values()
    return sum(part["blob"]["size"] for part in parts if "blob" in part and "registered" not in part)


def _values(fields: dict[str, str]) -> int:
    """Of the chunks that are done, and of the sample."""
    of_rows = int(fields.get("rows_done", 0)) * int(fields.get("row_bytes", 0))
    return of_rows + int(fields.get("sample_bytes", 0))


def _models(picture: Picture, name: str) -> int:
    blobs = [fields for key, fields in picture.hashes.items() if key.startswith("blob:")]
    return sum(int(fields["bytes"]) for fields in blobs if fields.get("caller") == name and "bytes" in fields)


def _blobs(fields: dict[str, str]) -> list[str]:
    return [f"blob:{blob}" for blob in json.loads(fields["blobs"])]
