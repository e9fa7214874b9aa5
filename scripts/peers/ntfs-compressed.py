"""Compares compressed streams as ks-walk reads them with ntfs-3g and wimlib.

Called by scripts/peers/ntfs-compressed: KS-WALK MOUNTPOINT VOLUME.img...
"""
import collections, csv, ctypes, hashlib, os, re, struct, subprocess, sys

WOF_TAG, WOF_FILE = 0x80000017, 2
# Algorithm of the reparse data: name, compressor of wimlib, bytes of a chunk.
ALGORITHMS = {0: ("XPRESS4K", 1, 4096), 1: ("LZX", 2, 32768), 2: ("XPRESS8K", 1, 8192), 3: ("XPRESS16K", 1, 16384)}
UNITS = {"H": "hole", "Z": "zeros", "R": "noise", "C": "text", "M": "text and noise by turns", "F": "saves little"}

wim = ctypes.CDLL("libwim.so.15")
wim.wimlib_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]


def unescape(text):
    """The names of the table: UTF-16 units, all but printable ASCII as \\uXXXX."""
    units = [int(part[2:], 16) if len(part) == 6 else ord(part) for part in re.findall(r"\\u[0-9A-F]{4}|.", text)]
    return struct.pack("<%dH" % len(units), *units).decode("utf-16-le", "surrogatepass")


def truth(image):
    with open(image + ".truth.tsv") as f:
        for row in csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if not row[0].startswith("#"):
                yield {"record": int(row[0]), "path": unescape(row[2]), "stream": unescape(row[3]), "size": int(row[4]), "sha256": row[5], "flags": row[6]}


def ours(walk, image):
    """SHA-256 of each stream, by record and name of the stream."""
    done = subprocess.run([walk, "list", "--format", "csv", "--live", "--hash", "sha256", "--quiet", image], stdout=subprocess.PIPE, text=True, check=True)
    return {(int(r["entry"]), r["stream"]): r["sha256"] or r["problems"] for r in csv.DictReader(done.stdout.splitlines())}


def mounted(mount, row):
    name = os.path.join(mount, row["path"]) + (":" + row["stream"] if row["stream"] else "")
    with open(os.fsencode(name), "rb") as f:
        return f.read()


def wof(image, mount, row):
    """The file as wimlib decompresses it, and the name of its algorithm."""
    data = os.getxattr(os.path.join(mount, row["path"]), "system.ntfs_reparse_data", follow_symlinks=False)
    tag, _, _, version, provider, _, algorithm = struct.unpack("<IHHIIII", data[:24])
    if tag != WOF_TAG or version != 1 or provider != WOF_FILE:
        raise ValueError("reparse data " + data.hex())
    name, kind, chunk = ALGORITHMS[algorithm]
    stored = subprocess.run(["ntfscat", "-f", "-i", str(row["record"]), "-n", "WofCompressedData", image], capture_output=True, check=True).stdout
    size = row["size"]
    count = (size + chunk - 1) // chunk
    table = 4 * max(count - 1, 0)
    ends = [table + x for x in struct.unpack("<%dI" % max(count - 1, 0), stored[:table])] + [len(stored)]
    decompressor = ctypes.c_void_p()
    if wim.wimlib_create_decompressor(kind, ctypes.c_size_t(chunk), ctypes.byref(decompressor)):
        raise ValueError("wimlib has no decompressor for " + name)
    out, at = [], table
    for i, end in enumerate(ends):
        want, piece = min(chunk, size - i * chunk), stored[at:end]
        if len(piece) != want:  # else it is stored as it is
            plain = ctypes.create_string_buffer(want)
            if wim.wimlib_decompress(piece, len(piece), plain, want, decompressor):
                raise ValueError("wimlib refuses chunk %d" % i)
            piece = plain.raw
        out.append(piece)
        at = end
    wim.wimlib_free_decompressor(decompressor)
    return b"".join(out), name


def shape(flags):
    """What a compressed file is made of, as the table's flags tell."""
    found = re.search(r"shape=([A-Z]+)", flags)
    return found.group(1) if found else flags.removeprefix("compressed").strip(",") or "text"


class Count:
    def __init__(self):
        self.files = self.size = self.ours = self.peer = 0

    def add(self, size, mine, peer, want):
        self.files, self.size = self.files + 1, self.size + size
        self.ours += mine != peer
        self.peer += want != "-" and peer != want


def cluster(image):
    with open(image, "rb") as f:
        boot = f.read(512)
    return struct.unpack("<H", boot[11:13])[0] * boot[13]


def main(walk, mount, *images):
    counts, units, shapes, lengths = collections.defaultdict(Count), collections.defaultdict(Count), collections.Counter(), set()
    differ = 0
    for image in images:
        mine, size = ours(walk, image), cluster(image)
        subprocess.run(["ntfs-3g", "-o", "ro,streams_interface=windows", image, mount], check=True)
        try:
            for row in truth(image):
                compressed = row["flags"].startswith("compressed") and row["size"] > 0
                if not compressed and not (row["flags"].startswith("wof=") and not row["stream"]):
                    continue
                if compressed:
                    data, kind = mounted(mount, row), "LZNT1, clusters of %d" % size
                else:
                    data, algorithm = wof(image, mount, row)
                    kind = "WOF " + algorithm
                peer, got = hashlib.sha256(data).hexdigest(), mine.get((row["record"], row["stream"]), "no such stream")
                if got != peer:
                    differ += 1
                    print("differs: %s %s:%s (%s): ours %s, peer %s" % (os.path.basename(image), row["path"], row["stream"], row["flags"], got, peer))
                counts[kind].add(len(data), got, peer, row["sha256"])
                if compressed:
                    s = shape(row["flags"])
                    shapes[s] += 1
                    lengths.add((s, size, re.sub(r".*tail=", "", row["flags"])))
                    for unit in set(s) if s.isupper() else [s]:
                        units[UNITS.get(unit, unit)].add(len(data), got, peer, row["sha256"])
        finally:
            subprocess.run(["umount", mount], check=True)
    for title, table in (("content", counts), ("files with a unit of", units)):
        print("%-36s %7s %12s %6s  %s" % (title, "files", "bytes", "differ", "peer is not the truth"))
        for name in sorted(table):
            c = table[name]
            print("%-36s %7d %12d %6d  %d" % (name, c.files, c.size, c.ours, c.peer))
    orders = [s for s in shapes if s.isupper()]
    print("orders of units: %d of one, %d of two, %d of three; with the lengths and clusters %d kinds of file" % (*(sum(len(s) == n for s in orders) for n in (1, 2, 3)), len(lengths)))
    lznt1, wofs = (sum(c.files for k, c in counts.items() if k.startswith(p)) for p in ("LZNT1", "WOF"))
    print("%d of LZNT1 and %d of WOF: %d differ" % (lznt1, wofs, differ))
    return 1 if differ or not counts else 0


sys.exit(main(*sys.argv[1:]))
