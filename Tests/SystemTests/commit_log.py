"""Reads commit logs (martlet_queue(5)): what is in a log alone is in no directory of the queue."""

PAGE = 4096


def logged_messages(commit):
    """The records that are not settled: id, directory, queue file. The checksums of the records are left to recovery."""
    found = []
    for path in sorted(commit.glob("log.*")):
        try:
            with open(path, "rb") as log:
                found += _records(log)
        except FileNotFoundError:
            # Replaced by one of another size.
            continue
    return found


def _records(log):
    page = log.read(PAGE)
    headers = [page[at : at + 34] for at in (0, 2048) if page[at : at + 8] == b"MARTLOG\n"]
    if not headers:
        return
    slot_count, generation = int.from_bytes(headers[0][22:26], "little"), max((h[26:34] for h in headers), key=lambda g: int.from_bytes(g, "little"))
    slots = log.read(8 * slot_count)
    position = -(-(PAGE + 8 * slot_count) // PAGE) * PAGE
    for index in range(slot_count):
        for start in (position, -(-position // PAGE) * PAGE):
            log.seek(start)
            record = log.read(68)
            if record[:4] == b"MREC" and record[8:16] == generation and int.from_bytes(record[16:20], "little") == index:
                break
        else:
            return
        length = int.from_bytes(record[4:8], "little")
        position = start + 68 + length
        if slots[8 * index : 8 * index + 8] != generation:
            yield record[22 : 22 + record[21]].decode(), "hold" if record[20] else "incoming", log.read(length)
