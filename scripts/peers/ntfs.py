"""Compares what readers of NTFS say of a volume with the table of truth.

Called by scripts/peers/ntfs: WORK VOLUME.img LIMIT DETAILS. WORK holds the
programs ks-walk and gontfs and an empty folder mnt; LIMIT is in seconds.

A row is a name and one of its streams, under the key (record, path, stream) with
names as the table writes them: UTF-16 units, all but printable ASCII as \\uXXXX.
A reader gives for each what it can: size, SHA-256, and created, modified and
accessed as FILETIME, rounded as it rounds.
"""
import collections, csv, hashlib, os, re, resource, stat, struct, subprocess, sys, time

csv.field_size_limit(1 << 30)
EPOCH = 116444736000000000  # 1970 as FILETIME
SECOND = 10**7
OURS = "ks-walk list --hash sha256"
KINDS = ("missing", "extra", "size", "content", "times")
Row = collections.namedtuple("Row", "size sha256 times", defaults=(None, None, None))


def units(text):
    """UTF-8 with lone surrogates, as ntfs-3g and sleuthkit write names, to the table's escape."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogatepass") if valid(text) else text.decode("latin-1")
    data = text.encode("utf-16-le", "surrogatepass")
    return escape(struct.unpack("<%dH" % (len(data) // 2), data))


def valid(data):
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def escape(numbers):
    return "".join(chr(u) if 0x20 <= u < 0x7F and u != 0x5C else "\\u%04X" % u for u in numbers)


def unescape(text):
    numbers = [int(part[2:], 16) if len(part) == 6 else ord(part) for part in re.findall(r"\\u[0-9A-F]{4}|.", text)]
    return struct.pack("<%dH" % len(numbers), *numbers).decode("utf-16-le", "surrogatepass")


def utf8len(text):
    return len(unescape(text).encode("utf-8", "surrogatepass"))


class Reader:
    """What one reader said."""

    def __init__(self, name, asked):
        self.name, self.asked = name, asked
        self.rows, self.again, self.ended, self.seconds = {}, 0, "", 0.0
        self.round = lambda ticks: ticks  # its clock

    def add(self, record, path, stream, row=Row()):
        key = (record, path, stream)
        if key in self.rows:
            self.again += 1
        self.rows[key] = row

    def run(self, limit, *command):
        """Output of a program that may take limit seconds and 8 GiB; why it ended, if it did not do its work."""
        start = time.monotonic()
        cap = lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=cap)
        try:
            out, err = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            self.ended = "stopped after %s s" % limit
        else:
            if child.returncode:
                self.ended = "exit %d: %s" % (child.returncode, (err.decode("utf-8", "replace").strip().splitlines() or [""])[0])
        self.seconds += time.monotonic() - start
        self.errors = err.decode("utf-8", "replace")
        return out


class Truth:
    def __init__(self, image):
        self.rows, self.flags, self.deleted = {}, {}, set()
        for name, into in ((".truth.tsv", self.live), (".deleted.tsv", self.gone)):
            with open(image + name) as f:
                for line in f:
                    if not line.startswith("#"):
                        into(line.rstrip("\n").split("\t"))
        self.first = min(record for record, _, _ in self.rows)
        self.names, self.written = collections.defaultdict(set), {}
        for record, path, _ in self.rows:
            self.names[record].add(path)

    def live(self, f):
        key = (int(f[0]), f[2], f[3])
        times = None if f[7] == "-" else tuple(int(t) for t in f[7:10])
        directory = f[1] in "dr" and not f[3] and f[5] == "-"  # the table gives 0, some readers that of the index
        self.rows[key] = Row(None if directory else int(f[4]), None if f[5] == "-" else f[5], times)
        self.flags[key] = f[6]

    def gone(self, f):
        self.deleted.add((int(f[0]), f[2]))

    def times(self, key):
        """The times set on purpose, else those that the writer, ntfs-3g, says it wrote."""
        return self.rows[key].times or self.written.get(key[0])


def attribute_lists(image):
    """Records with an $ATTRIBUTE_LIST, and whether it lies in clusters; read from the raw $MFT."""
    mft = subprocess.run(["ntfscat", "-f", "-i", "0", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    size = struct.unpack("<I", mft[28:32])[0]
    lists = {}
    for at in range(0, len(mft) - size + 1, size):
        record = mft[at : at + size]
        offset = struct.unpack("<H", record[20:22])[0]
        while record[:4] == b"FILE" and offset + 16 <= size:
            kind, length = struct.unpack("<II", record[offset : offset + 8])
            if kind == 0x20:
                lists[at // size] = bool(record[offset + 8])
            if kind >= 0x20 or length < 16:
                break
            offset += length
    return lists


def ours(work, image, limit, truth):
    r = Reader(OURS, ("size", "content", "times"))
    out = r.run(limit, work + "/ks-walk", "list", "--format", "csv", "--live", "--quiet", "--hash", "sha256", image).decode("utf-8")
    name = lambda text, hexed: escape(struct.unpack("<%dH" % (len(hexed) // 4), bytes.fromhex(hexed))) if hexed else units(text)
    for row in csv.DictReader(out.splitlines(keepends=True)):
        times = tuple(filetime(row["si_" + column]) for column in ("created", "modified", "accessed"))
        r.add(int(row["entry"]), name(row["path"], row["path_utf16"]), name(row["stream"], row["stream_utf16"]), Row(int(row["size"]), row["sha256"] or row["problems"], times))
    return r


def filetime(text):
    """RFC 3339 with seven digits; what is not set is empty."""
    if not text or text.isdigit():  # a time beyond the year 9999 is its raw number
        return int(text or 0)
    y, mo, d, h, mi, s, frac = (int(x) for x in re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{7})Z", text).groups())
    import datetime

    days = datetime.date(y, mo, d).toordinal() - datetime.date(1601, 1, 1).toordinal()
    return ((days * 24 + h) * 60 + mi) * 60 * SECOND + s * SECOND + frac


def split(name, path):
    """A name as fls and fsntfsinfo print it: path, or path:stream."""
    i = name.rfind(b":")
    return (name[:i], name[i + 1 :]) if i > name.rfind(path) else (name, b"")


def fls(work, image, limit, truth):
    """Names of -p; sizes and times of -m, which repeats a file of n names n times n times."""
    r = Reader("fls -r -p, -r -m /", ("size", "times"))
    r.round = lambda ticks: (ticks - EPOCH) // SECOND
    body = {}
    lines = r.run(limit, "fls", "-r", "-m", "/", image).split(b"\n")
    late, r.ended = r.ended, ""
    for line in lines:
        f = line.rsplit(b"|", 9)
        if len(f) != 10 or not line.startswith(b"0|/") or f[0].endswith(b" ($FILE_NAME)"):
            continue
        path, stream = split(f[0][3:], b"/")
        atime, mtime, _, created = (int(x) for x in f[6:10])
        key = (int(f[1].split(b"-")[0]), units(path), units(stream))
        r.again += key in body
        body[key] = Row(int(f[5]), None, (created, mtime, atime))
    for line in re.split(rb"\n(?=.[/])", r.run(limit, "fls", "-r", "-p", image)):
        found = re.match(rb"[^V]/. (\* )?(\d+)(-\d+-\d+)?(\(realloc\))?:\t(.*)", line.rstrip(b"\n"), re.S)
        if found and not found[1]:
            path, stream = split(found[5], b"/")
            key = (int(found[2]), units(path), units(stream))
            r.rows[key] = body.get(key, Row())
    r.note = "-m " + late if late else ""
    return r


def mounted(work, image, limit, truth):
    """Walks the mounted volume by open folders: no path is too long."""
    r = Reader("ntfs-3g, mounted and walked", ("size", "content", "times"))
    mount, start = work + "/mnt", time.monotonic()
    subprocess.run(["ntfs-3g", "-o", "ro,noatime,streams_interface=windows", image, mount], check=True)
    todo = [(os.open(mount, os.O_RDONLY), "")]
    try:
        while todo:
            folder, path = todo.pop()
            for name in sorted(os.listdir(b"/proc/self/fd/%d" % folder)):
                if time.monotonic() - start > limit:
                    r.ended = "stopped after %s s" % limit
                    return r
                here = path + units(name)
                st = os.stat(name, dir_fd=folder, follow_symlinks=False)
                place = b"/proc/self/fd/%d/" % folder + name
                shown = tuple(t // 100 + EPOCH for t in (None, st.st_mtime_ns, st.st_atime_ns) if t is not None)
                created, modified, accessed, _ = struct.unpack(">QQQQ", os.getxattr(place, "system.ntfs_times_be", follow_symlinks=False))
                truth.written[st.st_ino] = (created, modified, accessed)
                times = (created,) + shown  # lstat has no time of creation here
                if stat.S_ISDIR(st.st_mode):
                    todo.append((os.open(name, os.O_RDONLY, dir_fd=folder), here + "/"))
                    r.add(st.st_ino, here, "", Row(None, None, times))
                else:
                    r.add(st.st_ino, here, "", content(folder, name, st.st_size, times))
                for stream in filter(None, os.getxattr(place, "ntfs.streams.list", follow_symlinks=False).split(b"\0")):
                    r.add(st.st_ino, here, units(stream), content(folder, name + b":" + stream, None, times))
            os.close(folder)
    finally:
        for folder, _ in todo:
            os.close(folder)
        r.seconds = time.monotonic() - start
        subprocess.run(["umount", mount], check=True)
    return r


def content(folder, name, size, times):
    if size is not None and size > 4 << 30:  # the holes of a terabyte
        return Row(size, "not read", times)
    digest, count = hashlib.sha256(), 0
    try:
        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb", buffering=0) as f:
            while data := f.read(1 << 20):
                digest.update(data)
                count += len(data)
    except OSError as e:
        return Row(size, e.strerror, times)
    return Row(count, digest.hexdigest(), times)


def fsntfs(work, image, limit, truth):
    r = Reader("fsntfsinfo -B -H", ("size", "times"))
    body = work + "/body"
    if os.path.exists(body):
        os.unlink(body)
    r.run(limit, "fsntfsinfo", "-B", body, "-H", image)
    if "Unable to" in r.errors:
        r.ended = next(line for line in r.errors.splitlines() if "MFT entry" in line)
    with open(body, "rb") as f:
        for line in f.read().split(b"\n"):
            f = line.rsplit(b"|", 9)
            if len(f) != 10 or f[0].endswith(b" ($FILE_NAME)"):
                continue
            path, stream = split(f[0].removeprefix(b"0|\\\\"), b"\\\\")
            exact = [seconds(x) for x in f[6:10]]
            key = units(path.replace(b"\\\\", b"/"))
            r.add(int(f[1]), key, units(stream), Row(int(f[5]), None, (exact[3], exact[1], exact[0])))
    return r


def seconds(text):
    """Seconds since 1970 with nine digits behind the point."""
    whole, frac = text.split(b".")
    return int(whole) * SECOND + (-1 if whole.startswith(b"-") else 1) * (int(frac) // 100) + EPOCH


def gontfs(work, image, limit, truth):
    r = Reader("go-ntfs v0.2.1", ("size", "content", "times"))
    for line in r.run(limit, work + "/gontfs", image).decode().splitlines():
        f = line.split("\t")
        r.add(int(f[0]), f[1], f[2], Row(int(f[3]), f[4], tuple(int(t) for t in f[5:8])))
    return r


def differences(r, truth):
    for key, want in truth.rows.items():
        got = r.rows.get(key)
        if got is None:
            yield "missing", key, ""
            continue
        if "size" in r.asked and None not in (want.size, got.size) and want.size != got.size:
            yield "size", key, "%s, want %s" % (got.size, want.size)
        if "content" in r.asked and want.sha256 and got.sha256 != want.sha256:
            yield "content", key, "%s, want %s" % (got.sha256, want.sha256)
        times = truth.times(key)
        if times and got.times and got.times != tuple(r.round(t) for t in times):
            yield "times", key, "%s, want %s" % (got.times, times)
    for key in r.rows:
        record, path, _ = key
        if key not in truth.rows and record >= truth.first and not path.startswith("$Extend/"):
            yield "extra", key, ""


class Facts:
    def __init__(self, image, truth):
        self.truth, self.lists = truth, attribute_lists(image)
        with open(image, "rb") as f:
            boot = f.read(512)
        self.size = struct.unpack("<H", boot[11:13])[0] * struct.unpack("<Q", boot[40:48])[0]  # bytes of the volume

    def flag(self, key, *words):
        return self.truth.flags.get(key, "").startswith(words)

    def bom(self, path):
        return any(part.startswith(("\\uFEFF", "\\uFFFE")) for part in path.split("/"))

    def surrogate(self, path):
        unescaped = unescape(path)
        return any(0xD800 <= ord(c) < 0xE000 for c in unescaped)

    def control(self, path):
        return any(ord(c) < 0x20 for c in unescape(path))

    def near(self, key, got, ticks):
        """Every time of the reader is that near to the true one, as far as a float of 64 bits can tell."""
        return all(abs(a - b) <= max(ticks, a >> 50) for a, b in zip(self.truth.times(key), got.times))

    def odd_time(self, key, low, high):
        return any(not low <= t <= high for t in self.truth.times(key))


# Why a reader differs: kinds, what the cause is called, when it holds. The first
# that holds counts. Each condition looks at the truth or at the raw $MFT, never
# at the reader alone, so a new fault does not hide under an old name.
CAUSES = {
    OURS: [],
    "fls -r -p, -r -m /": [
        (("missing",), "path of more than 4096 bytes is not printed", lambda f, k, got: utf8len(k[1]) > 4096),
        (("missing",), "control characters and lone surrogates become ^", lambda f, k, got: f.control(k[1]) or f.surrogate(k[1])),
        (("extra",), "control characters and lone surrogates become ^", lambda f, k, got: "^" in k[1] and any(f.control(p) or f.surrogate(p) for p in f.truth.names[k[0]])),
        (("missing", "size"), "streams of equal type and id in base and extension record are one", lambda f, k, got: k[0] in f.lists),
        (("size",), "hole longer than the volume: the stream is refused, its size 0", lambda f, k, got: f.truth.rows[k].size > f.size and got.size == 0),
        (("extra",), "entry of an index block that $BITMAP says is free", lambda f, k, got: (k[0], k[1]) in f.truth.deleted),
        (("extra",), "stream of a folder again as its entry .", lambda f, k, got: k[1].endswith("/.") and (k[0], k[1][:-2], k[2]) in f.truth.rows),
        (("extra",), "second row with the name cut at 256 bytes", lambda f, k, got: any(utf8len(p.split("/")[-1]) > 256 for p in f.truth.names[k[0]])),
        (("times",), "time outside of 1970 to 2106 in 32 bits", lambda f, k, got: f.odd_time(k, EPOCH, EPOCH + (2**32 - 1) * SECOND)),
    ],
    "ntfs-3g, mounted and walked": [
        (("size", "content"), "reparse point shown as a symbolic link, content refused", lambda f, k, got: f.flag(k, "reparse", "wof", "interix")),
        (("times",), "time before 1970 loses its fraction", lambda f, k, got: f.odd_time(k, EPOCH, 2**64) and f.near(k, got, SECOND)),
        (("times",), "time of more than 63 bits", lambda f, k, got: f.odd_time(k, 0, (1 << 63) - 1)),
    ],
    "fsntfsinfo -B -H": [
        (("times",), "time before 1970 without its sign", lambda f, k, got: f.odd_time(k, EPOCH, 2**64)),
        (("times",), "fraction of a second through floating point", lambda f, k, got: f.near(k, got, 32)),
    ],
    "go-ntfs v0.2.1": [
        (("missing", "extra"), "$ATTRIBUTE_LIST in clusters is read as nothing", lambda f, k, got: f.lists.get(k[0])),
        (("missing", "extra"), "name that begins with U+FEFF or U+FFFE is read with its bytes swapped", lambda f, k, got: any(f.bom(p) for p in f.truth.names[k[0]]) or f.bom(k[2])),
        (("missing", "extra"), "lone surrogates become U+FFFD", lambda f, k, got: any(f.surrogate(p) for p in f.truth.names[k[0]])),
        (("missing", "extra"), "\\ in a name is as the separator of Links", lambda f, k, got: any("\\u005C" in p for p in f.truth.names[k[0]])),
        (("size",), "named stream has the size of its attribute's head", lambda f, k, got: bool(k[2])),
        (("size",), "unnamed stream has the size of the first $DATA that is not empty", lambda f, k, got: any(r == k[0] and s for r, _, s in f.truth.rows)),
        (("size",), "$ATTRIBUTE_LIST in clusters is read as nothing", lambda f, k, got: f.lists.get(k[0])),
        (("content",), "WOF is not decompressed", lambda f, k, got: f.flag(k, "wof=")),
        (("content",), "LZNT1 unit whose hole goes on in the next is dropped", lambda f, k, got: f.flag(k, "compressed")),
        (("times",), "time outside of 1678 to 2262 in nanoseconds", lambda f, k, got: f.odd_time(k, EPOCH - 2**63 // 100, EPOCH + 2**63 // 100)),
    ],
}


def cause(r, kind, key, facts):
    for kinds, name, holds in CAUSES.get(r.name, []):
        if kind in kinds and holds(facts, key, r.rows.get(key)):
            return name
    if kind == "missing" and r.ended:
        return "the listing ended: " + r.ended
    return "unexplained"


def main(work, image, limit, details):
    truth = Truth(image)
    readers = []
    for read in (mounted, ours, fls, fsntfs, gontfs):  # ntfs-3g first: it says what times it wrote
        readers.append(read(work, image, int(limit), truth))
    facts = Facts(image, truth)
    hashed = sum(row.sha256 is not None for row in truth.rows.values())
    timed = sum(truth.times(key) is not None for key in truth.rows)
    print("%d rows, %d with a digest, %d with times\n" % (len(truth.rows), hashed, timed))
    print("| reader | missing | extra | wrong size | wrong content | wrong times | rows again | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    reasons, bad = collections.Counter(), False
    with open(details, "a") as f:
        for r in sorted(readers, key=lambda r: r.name != OURS):
            counts = collections.Counter()
            for kind, key, what in differences(r, truth):
                why = cause(r, kind, key, facts)
                counts[kind] += 1
                reasons[r.name, kind, why] += 1
                f.write("\t".join((os.path.basename(image), r.name, kind, str(key[0]), key[1], key[2], what, why)) + "\n")
                bad = bad or why == "unexplained" or r.name == OURS
            cells = [str(counts[k]) if k in ("missing", "extra") or k in r.asked else "not asked" for k in KINDS]
            print("| %s | %s | %d | %.1f |" % (r.name, " | ".join(cells), r.again, r.seconds))
            if getattr(r, "note", ""):
                print("| %s: %s |" % (r.name, r.note))
    print("\n| reader | what | count | cause |\n|---|---|---|---|")
    for (name, kind, why), count in sorted(reasons.items()):
        print("| %s | %s | %d | %s |" % (name, kind, count, why))
    print("\nunexplained: %d" % sum(count for (_, _, why), count in reasons.items() if why == "unexplained"))
    return 1 if bad or any(r.name == OURS and (r.ended or not r.rows) for r in readers) else 0


sys.exit(main(*sys.argv[1:]))
