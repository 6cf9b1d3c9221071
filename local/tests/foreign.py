"""Takes part in a workspace as a program of another language does: locks, appends and reads, by the files alone.

    foreign.py DIR COUNT NAME      appends COUNT events with the keys NAME-0, NAME-1, ...; prints "id key" for each
                                   that is durable; then checks every line of the ledger

The formats are those of book/src/workspace-format.md. Only the standard library is used.
"""

import json
import os
import platform
import random
import sys
import time
import zlib

SLOT = 256


def fold(digits):
    """A hexadecimal identifier as a number of 64 bits."""
    number = 0
    for digit in digits:
        if digit in "0123456789abcdef":
            number = ((number << 4 | number >> 60) & (2**64 - 1)) ^ int(digit, 16)
    return number


def host():
    try:
        text = open("/etc/machine-id").read()
        if text.strip():
            return fold(text.lower())
    except OSError:
        pass
    number = 0xCBF29CE484222325
    for byte in platform.node().encode():
        number = ((number ^ byte) * 0x100000001B3) & (2**64 - 1)
    return number


def started(pid):
    """When a process started, in nanoseconds of the boot clock; None if it does not run."""
    try:
        fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    except FileNotFoundError:
        return None
    if fields[0] in "ZX":
        return None
    return int(fields[19]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


BOOT = fold(open("/proc/sys/kernel/random/boot_id").read())


def sync_dir(path):
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def seal(text):
    """A line from an object that lacks its closing brace."""
    return text.encode() + b',"crc":"%08x"}\n' % zlib.crc32(text.encode())


def unseal(line):
    """The object of a sealed line without its newline, or None."""
    text, found, rest = line.rpartition(b',"crc":"')
    if not found or rest != b'%08x"}' % zlib.crc32(text):
        return None
    return json.loads(text + b"}")


class Workspace:
    def __init__(self, directory):
        self.directory = directory
        pid = os.getpid()
        identity = {"pid": pid, "started": started(pid), "boot": BOOT, "host": host()}
        token = "%x-%x-%x-%x-%016x" % (identity["host"], BOOT, pid, identity["started"], random.getrandbits(64))
        self.ticket = self.path("tmp", token + ".ticket")
        with open(self.ticket, "x") as ticket:
            since = int(time.time() * 1000)
            ticket.write(json.dumps(dict(identity, token=token, since=since), separators=(",", ":")) + "\n")
            ticket.flush()
            os.fsync(ticket.fileno())

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def lock(self, domain):
        """Waits until the lock is free. A dead holder's is taken over by those who know the guards."""
        pause, deadline = 0.002, time.monotonic() + 60
        while True:
            try:
                os.link(self.ticket, self.path("locks", domain + ".lock"))
                return
            except FileExistsError:
                if time.monotonic() > deadline:
                    sys.exit("LOCK_CONTENTION: " + open(self.path("locks", domain + ".lock")).read())
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(pause * 2, 0.025)

    def unlock(self, domain):
        path = self.path("locks", domain + ".lock")
        if os.stat(path).st_ino != os.stat(self.ticket).st_ino:
            sys.exit("the lock was taken away while this process ran")
        os.unlink(path)

    def append(self, events):
        """Appends (domain, key, payload) as one batch; returns the number of the first."""
        self.lock("events")
        try:
            ledger = os.open(self.path("events.jsonl"), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            marks = os.open(self.path("events.watermark"), os.O_RDWR | os.O_CREAT, 0o644)
            slot, end, last = self.settled(ledger, marks)
            if os.fstat(ledger).st_size > end:
                os.ftruncate(ledger, end)
                os.fsync(ledger)
            lines = b""
            for place, (domain, key, payload) in enumerate(events, 1):
                event = {"eventId": last + place, "domain": domain, "at": int(time.time() * 1000), "key": key}
                event.update(payload=payload, batch=[place, len(events)])
                lines += seal(json.dumps(event, separators=(",", ":"))[:-1])
            assert os.write(ledger, lines) == len(lines)
            os.fsync(ledger)
            self.mark(ledger, marks, 1 - slot, end + len(lines), last + len(events))
            os.close(ledger)
            os.close(marks)
            return last + 1
        finally:
            self.unlock("events")

    def settled(self, ledger, marks):
        """The slot of the newest watermark of this boot, where the settled bytes end, and the last number."""
        newest, inode = None, os.fstat(ledger).st_ino
        for slot in range(2):
            mark = unseal(os.pread(marks, SLOT, slot * SLOT).rstrip())
            if mark and int(mark["boot"], 16) == BOOT and mark["inode"] == inode:
                if newest is None or mark["end"] > newest[1]:
                    newest = (slot, mark["end"], mark["last"])
        if newest is None:
            end, last = complete(os.pread(ledger, os.fstat(ledger).st_size, 0))
            os.ftruncate(ledger, end)
            os.fsync(ledger)
            sync_dir(self.directory)
            self.mark(ledger, marks, 0, end, last)
            newest = (0, end, last)
        return newest

    def mark(self, ledger, marks, slot, end, last):
        text = '{"boot":"%016x","inode":%d,"end":%d,"last":%d' % (BOOT, os.fstat(ledger).st_ino, end, last)
        line = seal(text).rstrip(b"\n").ljust(SLOT - 1) + b"\n"
        assert os.pwrite(marks, line, slot * SLOT) == SLOT

    def close(self):
        os.unlink(self.ticket)


def complete(data):
    """Where the complete batches end, and the last number."""
    end, last, at, batch = 0, 0, 0, 0
    for line in data.split(b"\n")[:-1]:
        event = unseal(line)
        if event is None or event["eventId"] != last + batch + 1 or event["batch"][0] != batch + 1:
            break
        at, batch = at + len(line) + 1, batch + 1
        if event["batch"][0] == event["batch"][1]:
            end, last, batch = at, last + batch, 0
    return end, last


def main(directory, count, name):
    workspace = Workspace(directory)
    for nth in range(int(count)):
        keys = [f"{name}-{nth}-{part}" for part in range(random.randint(1, 3))]
        first = workspace.append([("py", key, {"from": "Python", "é": nth}) for key in keys])
        for id, key in enumerate(keys, first):
            print(id, key, flush=True)
        time.sleep(random.uniform(0, 0.005))
    workspace.lock("events")
    data = open(workspace.path("events.jsonl"), "rb").read()
    assert complete(data)[0] == len(data), f"only {complete(data)[0]} of {len(data)} bytes are complete batches"
    workspace.unlock("events")
    workspace.close()


main(*sys.argv[1:])
