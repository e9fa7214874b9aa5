package aff4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"kanshiki/parsers/container"
)

// Options change how a volume is read. The zero value works.
type Options struct {
	CacheBytes int64 // decoded chunks that are kept; 0 is 32 MiB
	Workers    int   // chunks decoded ahead; 0 is GOMAXPROCS
}

// Reader is the disk image in a volume. It is safe for concurrent use.
type Reader struct {
	*container.Disk
	container.Problems
	m       *members
	g       graph
	image   string // the resource that is read
	size    int64
	entries []mapEntry
	gap     target
	targets []target
	linear  []container.Digest
}

// mapEntry is a run of the medium and where it lies in a target.
type mapEntry struct {
	off, n, at int64
	target     uint32
}

// target is what a map points to: a stream, or a symbolic one.
type target struct {
	name   string
	stream *stream
	unit   int64 // number of its first chunk among the units of the disk
	kind   container.Kind
	fill   byte // of a symbolic stream of one byte
	err    error
}

// Open reads the volume's description and the map of its disk image.
func Open(f container.File, o Options) (*Reader, error) {
	m, err := openZip(f)
	if err != nil {
		return nil, fmt.Errorf("zip: %w", err)
	}
	info := m.at["information.turtle"]
	if info == nil {
		if m.at["information.encrypted.turtle"] != nil {
			return nil, fmt.Errorf("an encrypted volume %w", ErrUnsupported)
		}
		return nil, errors.New("no information.turtle")
	}
	b, err := m.bytes(info, MaxTurtle)
	if err != nil {
		return nil, err
	}
	r := &Reader{m: m}
	if r.g, err = parseTurtle(string(b)); err != nil {
		if len(r.g) == 0 {
			return nil, err
		}
		r.Reportf(0, "%v", err)
	}
	if err := r.choose(); err != nil {
		return nil, err
	}
	unit := int64(0)
	for _, t := range r.targets {
		if t.stream != nil {
			unit = max(unit, t.stream.chunk)
		}
	}
	r.Disk = container.New(container.Layout{Size: r.size, Span: r.span, UnitSize: max(unit, 1), Decode: r.decode, CacheBytes: o.CacheBytes, Workers: o.Workers})
	return r, nil
}

// choose finds the disk image and what its bytes are.
func (r *Reader) choose() error {
	var images []string
	for s := range r.g {
		if r.g.is(s, "DiskImage") || r.g.is(s, "ContiguousImage") || r.g.is(s, "DiscontiguousImage") || r.g.is(s, "VolumeImage") || r.g.is(s, "Image") {
			images = append(images, s)
		}
		if r.g.is(s, "EncryptedStream") {
			return fmt.Errorf("an encrypted stream %w", ErrUnsupported)
		}
	}
	slices.Sort(images)
	if len(images) == 0 {
		return errors.New("no disk image in the volume: it holds files, memory or nothing")
	}
	r.image = images[0]
	if len(images) > 1 {
		r.Reportf(0, "%d images in the volume; %s is read", len(images), r.image)
	}
	data := r.g.get(r.image, "dataStream")
	if data == "" {
		return fmt.Errorf("%s has no data stream", r.image)
	}
	if err := r.open(data); err != nil {
		return err
	}
	r.digests(data)
	return nil
}

func (r *Reader) open(data string) error {
	if r.g.is(data, "ImageStream") || r.g.is(data, "stream") {
		s, err := openStream(r.m, r.g, data)
		if err != nil {
			return err
		}
		r.size, r.targets = s.size, []target{{name: data, stream: s}}
		r.entries = []mapEntry{{0, s.size, 0, 0}}
		return nil
	}
	if !r.g.is(data, "Map") {
		return fmt.Errorf("%s is neither a stream nor a map, and %w", data, ErrUnsupported)
	}
	var err error
	if r.size, err = strconv.ParseInt(r.g.get(data, "size"), 10, 64); err != nil || r.size <= 0 {
		return fmt.Errorf("%s: a size of %q", data, r.g.get(data, "size"))
	}
	gap := r.g.get(data, "mapGapDefaultStream")
	if gap == "" {
		gap = schema + "Zero"
	}
	r.gap = r.target(gap, 0)
	return r.readMap(data)
}

// readMap reads a map's list of targets and its entries.
func (r *Reader) readMap(data string) error {
	idx, list := r.m.find(data, "idx"), r.m.find(data, "map")
	if idx == nil || list == nil {
		return fmt.Errorf("%s: its map or the list of its targets is missing", data)
	}
	names, err := r.m.bytes(idx, 16<<20)
	if err != nil {
		return err
	}
	unit := int64(0)
	for line := range strings.Lines(string(names)) {
		name := strings.TrimRight(line, "\r\n")
		if name == "" {
			continue
		}
		if len(r.targets) == MaxTargets {
			return fmt.Errorf("%s: more than %d targets", data, MaxTargets)
		}
		t := r.target(name, unit)
		if t.stream != nil {
			unit += t.stream.size/t.stream.chunk + 1
		}
		r.targets = append(r.targets, t)
	}
	b, err := r.m.bytes(list, 28*MaxMap)
	if err != nil {
		return err
	}
	if len(b)%28 != 0 {
		r.Reportf(0, "the map has %d bytes, no whole number of entries", len(b))
	}
	le := binary.LittleEndian
	for ; len(b) >= 28; b = b[28:] {
		e := mapEntry{int64(le.Uint64(b)), int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:])), le.Uint32(b[24:])}
		if e.off < 0 || e.n < 0 || e.at < 0 || e.off > r.size || int(e.target) >= len(r.targets) {
			r.Reportf(0, "a map entry of %d bytes at %d, target %d", e.n, e.off, e.target)
			continue
		}
		e.n = min(e.n, r.size-e.off)
		r.entries = append(r.entries, e)
	}
	slices.SortStableFunc(r.entries, func(a, b mapEntry) int {
		switch {
		case a.off < b.off:
			return -1
		case a.off > b.off:
			return 1
		}
		return 0
	})
	for i := 1; i < len(r.entries); i++ {
		if a, b := r.entries[i-1], r.entries[i]; a.off+a.n > b.off {
			r.Reportf(0, "map entries overlap at %d: the later one is read", b.off)
			r.entries[i-1].n = b.off - a.off
		}
	}
	return nil
}

// target finds out what a name of a map means.
func (r *Reader) target(name string, unit int64) target {
	t := target{name: name, unit: unit}
	local, ours := strings.CutPrefix(name, schema)
	hex, symbolic := strings.CutPrefix(local, "SymbolicStream")
	switch {
	case ours && local == "Zero":
		t.kind = container.Zero
	case ours && local == "UnknownData":
		t.kind, t.err = container.Unknown, errors.New("not acquired, as the map says")
	case ours && local == "UnreadableData":
		t.kind, t.err = container.Unreadable, errors.New("unreadable when it was acquired, as the map says")
	case ours && symbolic && len(hex) == 2:
		n, err := strconv.ParseUint(hex, 16, 8)
		t.fill, t.err = byte(n), err
		if n == 0 {
			t.kind = container.Zero
		}
	case r.g[name] == nil:
		t.kind, t.err = container.Unknown, fmt.Errorf("%s is not described in this volume: it belongs to another one of a set", name)
		r.Reportf(0, "%v", t.err)
	default:
		s, err := openStream(r.m, r.g, name)
		if err == nil && !s.here {
			r.Reportf(0, "%s is not in this volume (it is stored in %s)", name, r.g.get(name, "stored"))
		}
		if err != nil {
			r.Reportf(0, "%v", err)
			t.kind, t.err = container.Unknown, err
		}
		t.stream = s
	}
	return t
}

// span tells where the run of the medium that begins at off lies.
func (r *Reader) span(off, limit int64) container.Span {
	i := sort.Search(len(r.entries), func(i int) bool { return r.entries[i].off+r.entries[i].n > off })
	if i == len(r.entries) {
		return r.gap.span(0, limit)
	}
	e := r.entries[i]
	if e.off > off {
		return r.gap.span(0, min(limit, e.off-off))
	}
	return r.targets[e.target].span(e.at+off-e.off, min(limit, e.off+e.n-off))
}

func (t *target) span(off, limit int64) container.Span {
	switch {
	case t.stream != nil:
		return t.stream.span(t.unit, off, limit)
	case t.kind != container.Data:
		return container.Span{Len: limit, Kind: t.kind, Err: t.err}
	}
	return container.Span{Len: limit, From: pattern(t.fill), At: 0}
}

// pattern is a symbolic stream: the medium has this byte over and over.
type pattern byte

func (c pattern) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

func (r *Reader) decode(unit int64, dst []byte) error {
	i := sort.Search(len(r.targets), func(i int) bool { return r.targets[i].unit > unit })
	for i--; i >= 0; i-- {
		if t := &r.targets[i]; t.stream != nil {
			return t.stream.decode(unit-t.unit, dst)
		}
	}
	return fmt.Errorf("no chunk %d", unit)
}

var digestNames = map[string]string{schema + "MD5": "md5", schema + "SHA1": "sha1", schema + "SHA256": "sha256"}

// digests are those of the whole linear medium: the image's own, or its stream's
// where no map lies between. What was filled in when it was acquired is in them,
// so they are none of ours then.
func (r *Reader) digests(data string) {
	for _, t := range append(slices.Clone(r.targets), r.gap) {
		if t.kind.Bad() {
			return
		}
	}
	from := []string{r.image}
	if r.g.is(data, "ImageStream") {
		from = append(from, data)
	}
	for _, s := range from {
		for _, o := range r.g[s][schema+"hash"] {
			if alg := digestNames[o.kind]; alg != "" {
				r.linear = append(r.linear, container.Digest{Alg: alg, Sum: strings.ToLower(o.value), Source: "information.turtle"})
			}
		}
	}
}

// Digests are those that the volume states of its whole medium.
func (r *Reader) Digests() []container.Digest { return r.linear }

// SectorSize is in bytes, 0 where it is not said.
func (r *Reader) SectorSize() int {
	n, err := strconv.Atoi(r.g.get(r.image, "blockSize"))
	if err != nil || n < 512 || n > 4096 {
		return 0
	}
	return n
}

// Fields are the properties of the image and of the case, by their own names.
func (r *Reader) Fields() (out []container.Field) {
	subjects := []string{r.image}
	for s := range r.g {
		if r.g.is(s, "CaseDetails") || r.g.is(s, "CaseNotes") {
			subjects = append(subjects, s)
		}
	}
	slices.Sort(subjects[1:])
	for _, s := range subjects {
		var names []string
		for p := range r.g[s] {
			if name, ok := strings.CutPrefix(p, schema); ok {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, n := range names {
			if o := r.g[s][schema+n]; !o[0].iri {
				out = append(out, container.Field{Name: n, Value: o[0].value})
			}
		}
	}
	return out
}
