package aff4

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"kanshiki/parsers/container"
)

// Options change how an image is read. The zero value works.
type Options struct {
	CacheBytes int64 // decoded chunks that are kept; 0 is 32 MiB
	Workers    int   // chunks decoded at once; 0 is GOMAXPROCS

	// Beside gives the files that may be further volumes of the image. It is
	// called where the first one does not hold everything; nil is none.
	Beside func() []container.File
}

// Reader is the disk image in one volume or several. It is safe for concurrent
// use.
type Reader struct {
	*container.Disk
	container.Problems
	volumes []*volume // the one that was opened first
	image   string    // the resource that is read
	size    int64
	unit    int64 // bytes of the largest chunk
	runs    []run // in order, apart from each other
	gap     target
	targets []target
	named   int // targets that the map has names of
	streams []*stream
	maps    map[*volume]string
	bevies  *container.Kept[bevyKey, *bevy]
	digests []container.Digest
	fields  []container.Field
}

type bevyKey struct {
	s *stream
	n int64
}

// Open reads what a volume says of its disk image, and finds the other volumes
// of a striped one.
func Open(f container.File, o Options) (*Reader, error) {
	v, err := openVolume(f)
	if err != nil {
		return nil, err
	}
	r := &Reader{volumes: []*volume{v}, maps: map[*volume]string{}}
	if err := r.choose(v); err != nil {
		return nil, err
	}
	data := v.g.get(r.image, "dataStream")
	if o.Beside != nil {
		r.gather(data, o.Beside)
	}
	for _, v := range r.volumes {
		for _, p := range v.said {
			r.Report(p)
		}
	}
	if err := r.open(v, data); err != nil {
		return nil, err
	}
	if err := r.number(); err != nil {
		return nil, err
	}
	for _, v := range r.volumes {
		if m := v.g.get(r.image, "dataStream"); v.g.is(m, "Map") {
			r.maps[v] = m
		}
	}
	r.digests, r.fields = r.linear(data)
	r.Disk = container.New(container.Layout{Size: r.size, Span: func(off, limit int64) container.Span { return r.span(off, limit, false) },
		UnitSize: r.unit, Decode: r.decode, CacheBytes: o.CacheBytes, Workers: o.Workers})
	return r, nil
}

// choose finds the disk image. Where there are several, it is the first by
// name, and the others are told.
func (r *Reader) choose(v *volume) error {
	var images []string
	for s := range v.g {
		if v.g.is(s, "EncryptedStream") {
			return fmt.Errorf("the image %w", errEncrypted)
		}
		disk := v.g.is(s, "DiskImage") || v.g.is(s, "ContiguousImage") || v.g.is(s, "DiscontiguousImage") || v.g.is(s, "VolumeImage") || v.g.is(s, "Image")
		other := v.g.is(s, "FileImage") || v.g.is(s, "MemoryImage") || v.g.is(s, "PhysicalMemoryImage")
		if disk && !other {
			images = append(images, s)
		}
	}
	if len(images) == 0 {
		return v.foreign()
	}
	slices.Sort(images)
	r.image = images[0]
	if len(images) > 1 {
		r.Report(container.Problem{File: v.a.f.Name, What: fmt.Sprintf("%d images in the volume; %s is read", len(images), r.image)})
	}
	if v.g.get(r.image, "dataStream") == "" {
		return fmt.Errorf("%s has no data stream", r.image)
	}
	return nil
}

// holds tells whether a volume has the bevies of a stream. It may have hashes of
// those of another volume.
func (v *volume) holds(stream string) bool {
	b := v.bevies(stream)
	return b != nil && len((*b)[""]) > 0 && v.g.get(stream, "chunkSize") != ""
}

// holder is the volume that has the bevies of a stream, or all that is said of
// it; nil where none does.
func (r *Reader) holder(stream string) *volume {
	for _, v := range r.volumes {
		if v.holds(stream) {
			return v
		}
	}
	for _, v := range r.volumes {
		if s := v.g.get(stream, "stored"); (s == "" || s == v.name) && len(v.g[stream]) > 0 &&
			(v.g.get(stream, "chunkSize") != "" || !v.g.is(stream, "ImageStream")) {
			return v
		}
	}
	return nil
}

// gather finds the volumes of a striped image (draft 1.0a, 7.1): of the files
// beside, those that speak of the same image and hold a stream of its map.
func (r *Reader) gather(data string, beside func() []container.File) {
	var want []string
	for _, o := range r.volumes[0].g[data][schema+"dependentStream"] {
		want = append(want, o.value)
	}
	lacks := func() bool {
		return slices.ContainsFunc(want, func(s string) bool { return r.holder(s) == nil })
	}
	if !lacks() {
		return
	}
	for _, f := range beside() {
		v, err := openVolume(f)
		if err != nil || v.name == r.volumes[0].name || v.g[r.image] == nil {
			continue
		}
		if slices.ContainsFunc(want, func(s string) bool { return r.holder(s) == nil && v.holds(s) }) {
			r.volumes = append(r.volumes, v)
		}
		if !lacks() || len(r.volumes) == MaxVolumes {
			return
		}
	}
}

// open finds out what the bytes of the medium are.
func (r *Reader) open(v *volume, data string) (err error) {
	switch {
	case v.g.is(data, "ImageStream"):
		s, err := r.openStream(v, data)
		if err != nil {
			return err
		}
		r.size, r.streams, r.targets = s.size, []*stream{s}, []target{{stream: s}}
		r.runs = []run{{0, s.size, 0, 0}}
	case v.g.is(data, "Map"):
		if r.size, err = v.g.number(data, "size", 0); err != nil {
			return err
		}
		r.gap = target{kind: container.Zero}
		if gap := v.g.get(data, "mapGapDefaultStream"); gap != "" {
			r.gap = r.target(gap)
		}
		if err := r.readMap(v, data); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is neither a stream nor a map, and %w", data, ErrUnsupported)
	}
	if n, err := v.g.number(r.image, "size", r.size); err != nil || n != r.size {
		r.Report(container.Problem{File: v.a.f.Name, What: fmt.Sprintf("the image is said to have %s bytes, its data stream has %d", v.g.get(r.image, "size"), r.size)})
	}
	if r.size == 0 {
		return fmt.Errorf("%s: no bytes", data)
	}
	return nil
}

// number gives each chunk of each stream a number as a unit of the disk.
func (r *Reader) number() error {
	next, perBevy := int64(0), int64(1)
	r.unit = 1
	for _, s := range r.streams {
		s.first = next
		chunks := s.size/s.chunk + 1
		if chunks > 1<<62-next {
			return errors.New("streams of more chunks than can be counted")
		}
		next += chunks
		r.unit, perBevy = max(r.unit, s.chunk), max(perBevy, s.perBevy)
	}
	r.bevies = container.NewKept(maxIndex/(44*perBevy), func(k bevyKey) (*bevy, error) { return k.s.loadBevy(k.n) })
	return nil
}

// span tells where the run of the medium that begins at off lies. filled takes
// the text of symbolic streams for the medium's bytes.
func (r *Reader) span(off, limit int64, filled bool) container.Span {
	i := sort.Search(len(r.runs), func(i int) bool { return r.runs[i].off+r.runs[i].n > off })
	if i == len(r.runs) {
		return r.gap.span(off, limit, filled)
	}
	x := r.runs[i]
	if x.off > off {
		return r.gap.span(off, min(limit, x.off-off), filled)
	}
	return r.targets[x.target].span(x.at+off-x.off, min(limit, x.off+x.n-off), filled)
}

func (r *Reader) decode(unit int64, dst []byte) error {
	i := sort.Search(len(r.streams), func(i int) bool { return r.streams[i].first > unit })
	if i == 0 {
		return fmt.Errorf("no chunk %d", unit)
	}
	s := r.streams[i-1]
	return s.decode(unit-s.first, dst)
}

// Filling is the medium with the text that the standard puts where nothing was
// read: linear hashes are of it.
func (r *Reader) Filling() *container.Disk {
	return r.With(func(off, limit int64) container.Span { return r.span(off, limit, true) })
}

// Digests are those that the first volume states of the whole medium, with the
// filling in it.
func (r *Reader) Digests() []container.Digest { return r.digests }

// Files are the names of the volumes in use, in order.
func (r *Reader) Files() (out []string) {
	for _, v := range r.volumes {
		out = append(out, v.a.f.Name)
	}
	slices.Sort(out)
	return out
}

// SectorSize is in bytes, 0 where it is not said.
func (r *Reader) SectorSize() int {
	n, err := r.volumes[0].g.number(r.image, "blockSize", 0)
	if err != nil || n < 512 || n > 4096 {
		return 0
	}
	return int(n)
}

// Fields are the properties of the image and of the case, by their own names.
func (r *Reader) Fields() (out []container.Field) {
	v := r.volumes[0]
	if tool := v.version["tool"]; tool != "" {
		out = append(out, container.Field{Name: "tool", Value: tool})
	}
	subjects := []string{r.image}
	for s := range v.g {
		if v.g.is(s, "CaseDetails") || v.g.is(s, "CaseNotes") || v.g.is(s, "TimeStamps") {
			subjects = append(subjects, s)
		}
	}
	slices.Sort(subjects[1:])
	for _, s := range subjects {
		var names []string
		for p := range v.g[s] {
			if name, ok := strings.CutPrefix(p, schema); ok {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, n := range names {
			for _, o := range v.g[s][schema+n] {
				switch kind := strings.TrimPrefix(o.kind, schema); {
				case n == "hash" && algorithm(o.kind) == "": // of map and blocks
					out = append(out, container.Field{Name: kind, Value: o.value})
				case n != "hash" && !o.iri:
					out = append(out, container.Field{Name: n, Value: o.value})
				}
			}
		}
	}
	return append(out, r.fields...)
}
