package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/filesystem/secondreader"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/ntfs"
)

const listHelp = `
    ks-walk list fixtures/quarantined-pc/quarantined-pc.E01

ks-walk list [OPTIONS] IMAGE [PATTERN…]

A row for each name and each stream of it, in MFT order; a directory is one row.
Patterns keep what fits: * within a name, ** for any number of directories, no
regard to case; a pattern without * keeps what lies below it, too.

state     live; deleted; orphan: in use without a directory that leads to it,
          or deleted and its parent is gone; damaged: cannot be decoded
sequence  the number under which the entry is or was known; the record of a
          deleted one holds one more
path_proof  what the path rests on: live; plus-one: a parent was deleted and its
          record not used again; usn, log, index: the record of a parent was
          used again, and the change journal, $LogFile or what is left in a
          directory's index still names it, by the last name that they know;
          unknown: nothing does, the path begins with ?/ and its reference;
          freed: a directory of FAT was deleted, its clusters still hold it
bodyfile  two rows a name, of $SI and of $FN, as mactime reads them: seconds only,
          and only from 1970 on, so use another form for what must be exact
mftecmd   CSV with the columns of that program, for tools that read it
times     in 100 ns; one that no year of four digits holds is its raw number of
          ticks since 1601, one that is not set is empty
sha256    with --hash sha256; absent where the content cannot be read whole

On FAT and exFAT the number of an entry is its place on the volume in units of 32
bytes. Times without a Z are those of the clock on the wall, whose zone is not
known; they have the digits that the file system keeps: 2 s, of the last access
the day.

With --shadow all the volume of today is read once, and of each shadow copy only
what is not the same; with --changed only those entries are listed whose MFT entry
differs from that of today: what was since changed, renamed or deleted. Bytes that
were written into a file in place do not change its entry.

--second-reader reads each volume a second time, with go-ntfs, a reader that
others wrote, in a process of its own with limits of memory (1 GiB) and time (ten
minutes, longer for a large $MFT). A row is one value on which the two do not
agree, with the cause: a known fault of go-ntfs, proven from the bytes of the
entry, or not-known, which is to be looked at. The sums stand on standard error.
With --hash sha256 the content of entries in use is compared too. The exit code
is 4 where a cause is not known, else 3 where not all could be compared; known
faults alone give 0.
`

// lister makes rows of entries, on several goroutines.
type lister struct {
	vol     opened
	format  string
	hash    bool
	live    bool // only what is in use
	deleted bool // only what is not
	changed bool // only what differs from the volume of today
	match   *filesystem.Matcher
	zone    *time.Location
	recover bool // add what became of the clusters
	bufs    *buffers
	digests map[streamKey]digestOf // of the chunk, read in the order of the disk
}

// streamKey names a stream of the volume.
type streamKey struct {
	ref    filesystem.Ref
	stream string
}

type digestOf struct {
	sum string
	err error
}

// chunk is what one piece of the $MFT gave.
type chunk struct {
	full [][]byte // before out
	out  []byte
	rows int
	gaps int      // rows whose content could not be read
	odd  []string // entries whose records are whole and make no sense together
}

func runList(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(listHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv", "bodyfile", "mftecmd")
	hash := c.flags.String("hash", "", "`digest` of each stream: sha256")
	deleted := c.flags.Bool("deleted", false, "only what is not in use any more")
	live := c.flags.Bool("live", false, "only what is in use")
	zone := c.flags.Zone()
	c.changed = c.flags.Bool("changed", false, "with --shadow: only entries that are not as on the volume of today")
	second := c.flags.Bool("second-reader", false, "where another NTFS reader does not agree, instead of the entries")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0:
		return cli.Usage("name an image, for example ks-walk list disk.E01")
	case *second && (len(args) > 1 || *live || *deleted || *zone != nil || *c.changed):
		return cli.Usage("--second-reader compares whole volumes: it takes no PATTERN, --live, --deleted, --changed or --zone")
	case *second && (*format == "bodyfile" || *format == "mftecmd"):
		return cli.Usage("--second-reader gives text, jsonl or csv, not %s", *format)
	case *hash != "" && *hash != "sha256":
		return cli.Usage("no digest %q; there is sha256", *hash)
	case *c.changed && *c.shadow == "":
		return cli.Usage("--changed compares a shadow copy with the volume of today: add --shadow NUMBER or --shadow all")
	case *live && *deleted:
		return cli.Usage("--live and --deleted leave nothing; take one of them")
	}
	if *second {
		return runSecondReader(ctx, c, args[0], *format, secondreader.Options{Hash: *hash != ""}, stdout, stderr)
	}
	return listAll(ctx, c, args, lister{format: *format, hash: *hash != "", live: *live, deleted: *deleted, changed: *c.changed, zone: *zone}, stdout, stderr)
}

// listAll opens the image and lists its volumes.
func listAll(ctx context.Context, c common, args []string, l lister, stdout, stderr io.Writer) error {
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		return s.list(ctx, args[1:], l, w, cli.NewProgress(name, *c.progress, stderr))
	})
}

func (s *session) list(ctx context.Context, patterns []string, l lister, w *bufio.Writer, p *cli.Progress) error {
	if l.format == "mftecmd" {
		w.WriteString(strings.Join(mftecmdColumns, ",") + "\n")
	}
	if l.format == "csv" {
		for i, c := range slices.Concat(columns, l.moreColumns()) {
			if i > 0 {
				w.WriteByte(',')
			}
			w.WriteString(c)
		}
		w.WriteByte('\n')
	}
	rows := 0
	for _, v := range s.volumes {
		l.vol, l.match, l.bufs = v, v.files.Matcher(patterns), &buffers{}
		if v.fs == nil {
			n, err := s.listPlain(ctx, l, w)
			if rows += n; err != nil {
				return err
			}
			continue
		}
		p.Start("entries", int64(v.fs.Slots()))
		indexes := make(chan []problem.Problem, 1)
		go func() { indexes <- v.fs.IndexProblems(ctx) }()
		gaps, odd := 0, 0
		err := filesystem.Chunks(ctx, v.fs, l.chunk, func(c chunk) error {
			gaps, rows = gaps+c.gaps, rows+c.rows
			for _, o := range c.odd {
				if odd++; odd <= maxShown || s.verbose {
					s.warn("volume %d: %s", v.Number, o)
				}
			}
			p.Add(512)
			for _, out := range append(c.full, c.out) {
				if _, err := w.Write(out); err != nil {
					return err
				}
				l.bufs.put(out)
			}
			return nil
		})
		p.Done()
		s.report(<-indexes)
		if err != nil {
			return err
		}
		if odd > maxShown && !s.verbose {
			s.warn("volume %d: %d more such entries; --verbose lists them all", v.Number, odd-maxShown)
		}
		if gaps > 0 {
			s.warn("volume %d: %d streams could not be read whole; their rows say why", v.Number, gaps)
		}
	}
	if rows == 0 && len(patterns) > 0 {
		fmt.Fprintf(s.stderr, "%s: nothing fits %s\n", name, escape.Text(strings.Join(patterns, ", ")))
	}
	return nil
}

// listPlain lists a volume whose entries are few and come one after the other.
func (s *session) listPlain(ctx context.Context, l lister, w *bufio.Writer) (rows int, err error) {
	switch l.format {
	case "mftecmd":
		s.warn("volume %d is %s, which has no $MFT: not listed in this format", l.vol.Number, l.vol.files.Info().Kind)
		return 0, nil
	case "bodyfile":
		fmt.Fprintf(s.stderr, "%s: volume %d: times without a zone stand in the body file as if they were UTC\n", name, l.vol.Number)
	}
	var c chunk
	var buf []byte
	for e, err := range l.vol.files.Walk(ctx) {
		if err != nil {
			return c.rows, err
		}
		if l.live && !e.InUse || l.deleted && e.InUse {
			continue
		}
		c.out = c.out[:0]
		l.entry(ctx, e, &c, &buf)
		if _, err := w.Write(c.out); err != nil {
			return c.rows, err
		}
	}
	if c.gaps > 0 {
		s.warn("volume %d: %d streams could not be read whole; their rows say why", l.vol.Number, c.gaps)
	}
	return c.rows, nil
}

// buffers are used again from chunk to chunk; as many are made as there are
// chunks at once.
type buffers struct {
	mu   sync.Mutex
	free [][]byte
}

// A buffer is full after bufferSize; most rows fit into the room behind.
const (
	bufferSize = 192 << 10
	bufferRoom = 64 << 10
)

func (b *buffers) get() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := len(b.free) - 1
	if k < 0 {
		return make([]byte, 0, bufferSize+bufferRoom)
	}
	p := b.free[k]
	b.free = b.free[:k]
	return p[:0]
}

func (b *buffers) put(p []byte) {
	b.mu.Lock()
	b.free = append(b.free, p)
	b.mu.Unlock()
}

func (l lister) moreColumns() []string {
	var out []string
	if l.zone != nil {
		out = zoneColumns()
	}
	if l.recover {
		out = append(out, recoveryColumns...)
	}
	return out
}

func (l lister) chunk(ctx context.Context, piece filesystem.Piece) chunk {
	c := chunk{out: l.bufs.get()}
	var buf []byte
	if l.hash && !l.deleted { // of a deleted file only what is whole is hashed: that is asked row by row
		l.digests = l.hashAll(ctx, piece, &buf)
	}
	for e := range piece.Entries {
		if ctx.Err() != nil {
			break
		}
		if l.live && !e.InUse || l.deleted && e.InUse || l.changed && !l.vol.fs.Differs(e.Ref.Entry) {
			continue
		}
		if len(c.out) > bufferSize {
			c.full, c.out = append(c.full, c.out), l.bufs.get()
		}
		l.entry(ctx, e, &c, &buf)
	}
	return c
}

// entry makes the rows of one entry.
func (l lister) entry(ctx context.Context, e *filesystem.Entry, c *chunk, buf *[]byte) {
	if len(e.Problems) > 0 && l.vol.fs != nil {
		l.odd(e, c)
	}
	streams := e.Streams
	if !hasUnnamed(streams) && (e.Kind != filesystem.File || len(streams) == 0) {
		// A directory has a row of its own, and so has what has no content.
		streams = append([]filesystem.StreamInfo{{}}, streams...)
	}
	names := e.Names
	if len(names) == 0 {
		names = []filesystem.Name{{}}
	}
	for i := range streams {
		r := row{volume: l.vol.Number, shadow: l.vol.snapshot, e: e, zone: l.zone, hashing: l.hash, recover: l.recover}
		if l.vol.fs == nil {
			r.clock = &e.Clock
		}
		done := false
		for j := range names {
			r.n, r.s = &names[j], &streams[i]
			if len(e.Names) == 0 {
				r.n = nil
			}
			if path, _, _ := r.path(); !l.match.Match(path, r.s.Name) {
				continue
			}
			if real := i >= len(streams)-len(e.Streams); real && !done {
				done = true // once for all names
				l.content(ctx, &r, c, buf)
			}
			c.rows++
			switch l.format {
			case "jsonl":
				c.out = r.appendJSON(c.out)
			case "csv":
				c.out = r.appendCSV(c.out)
			case "bodyfile":
				c.out = r.appendBody(c.out)
			case "mftecmd":
				c.out = r.appendMFTECmd(c.out, l.vol)
			default:
				c.out = r.appendText(c.out)
			}
		}
	}
}

// odd keeps what is wrong with an entry and not with its records: those problems
// are told when the volume is opened.
func (l lister) odd(e *filesystem.Entry, c *chunk) {
	if f, ok := l.vol.fs.Catalog().File(e.Ref.Entry); ok && e.InUse && !f.HasDamage() {
		c.odd = append(c.odd, fmt.Sprintf("entry %d-%d, %s: %s", e.Ref.Entry, e.Ref.Sequence, l.vol.fs.Place(f.Offset()), e.Problems[0]))
	}
}

// hashAll hashes the streams of a piece that get a row, in the order in which
// they lie on the disk.
func (l lister) hashAll(ctx context.Context, piece filesystem.Piece, buf *[]byte) map[streamKey]digestOf {
	wanted := l.wanted(piece)
	type job struct {
		streamKey
		s       ntfs.Stream
		cluster int64
	}
	var jobs []job
	for ref, s := range piece.Streams {
		if l.changed && !l.vol.fs.Differs(ref.Entry) {
			continue
		}
		key := streamKey{ref, filesystem.Text(s.Name())}
		if wanted == nil || wanted[key] {
			jobs = append(jobs, job{key, s, s.FirstCluster()})
		}
	}
	slices.SortStableFunc(jobs, func(a, b job) int { return cmp.Compare(a.cluster, b.cluster) })
	out := make(map[streamKey]digestOf, len(jobs))
	h := sha256.New()
	for _, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		var d digestOf
		d.sum, d.err = l.digest(ctx, h, j.s, buf)
		out[j.streamKey] = d
	}
	return out
}

// wanted names the streams that get a row; nil for all of them.
func (l lister) wanted(piece filesystem.Piece) map[streamKey]bool {
	if l.match.All() {
		return nil
	}
	out := map[streamKey]bool{}
	for e := range piece.Entries {
		for i := range e.Streams {
			if l.matches(e, e.Streams[i].Name) {
				out[streamKey{e.Ref, e.Streams[i].Name}] = true
			}
		}
	}
	return out
}

// matches tells whether a name of the entry gives a row of this stream.
func (l lister) matches(e *filesystem.Entry, stream string) bool {
	for i := range e.Names {
		if l.match.Match(e.Names[i].Path, stream) {
			return true
		}
	}
	return len(e.Names) == 0 && l.match.Match("", stream)
}

func hasUnnamed(streams []filesystem.StreamInfo) bool {
	for i := range streams {
		if streams[i].Name == "" {
			return true
		}
	}
	return false
}

// content adds the digest, and for deleted files what became of the clusters.
func (l lister) content(ctx context.Context, r *row, c *chunk, buf *[]byte) {
	whole := true
	if !r.e.InUse && (l.recover || l.hash) {
		rec, err := l.vol.files.Recovery(r.e.Ref, r.s.Name)
		if err != nil {
			r.notes = append(r.notes, err.Error())
			return
		}
		if l.recover {
			r.extra = &recovery{rec}
		}
		if whole = rec.Verdict == "whole"; !whole && l.hash {
			r.notes = append(r.notes, "not hashed: "+rec.Verdict)
		}
	}
	if !l.hash || !whole {
		return
	}
	key := streamKey{r.e.Ref, r.s.Name}
	d, ok := l.digests[key]
	switch {
	case ok:
	case l.vol.fs == nil:
		var st filesystem.Stream
		if st, d.err = l.vol.files.Open(ctx, key.ref, key.stream); d.err == nil {
			d.sum, d.err = sumOf(ctx, sha256.New(), st, buf)
		}
	default: // of a deleted file, or one entry alone
		var s ntfs.Stream
		if s, d.err = l.vol.fs.Stream(key.ref, key.stream); d.err == nil {
			d.sum, d.err = l.digest(ctx, sha256.New(), s, buf)
		}
	}
	if d.err != nil {
		if !errors.Is(d.err, errHoles) { // holes are no evidence that is lost
			c.gaps++
		}
		r.notes = append(r.notes, "not hashed: "+d.err.Error())
		return
	}
	r.sha256 = d.sum
}

// errHoles says that a stream is larger than the volume it lies on.
var errHoles = errors.New("mostly holes: larger than the volume")

func (l lister) digest(ctx context.Context, h hash.Hash, s ntfs.Stream, buf *[]byte) (string, error) {
	// The holes of a sparse file cost time and no disk: a few bytes in a run
	// list would keep us busy for days.
	const small = 1 << 30
	if size := s.Size(); size > max(l.vol.Len, small) {
		return "", fmt.Errorf("%d bytes, %w", size, errHoles)
	}
	st, err := l.vol.fs.OpenStream(s)
	if err != nil {
		return "", err
	}
	return sumOf(ctx, h, st, buf)
}

func sumOf(ctx context.Context, h hash.Hash, st filesystem.Stream, buf *[]byte) (string, error) {
	if len(*buf) == 0 {
		*buf = make([]byte, 256<<10)
	}
	h.Reset()
	for off := int64(0); off < st.Size(); {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := st.ReadAt(*buf, off)
		h.Write((*buf)[:n])
		off += int64(n)
		if err != nil && !(err == io.EOF && off == st.Size()) {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
