package scca

import (
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// The boot prefetch of a real machine has some thousands of names and a few
// volumes; the bounds keep what a hostile file costs in proportion to its size.
const (
	maxNames   = 1 << 17
	maxVolumes = 1 << 10
)

// window gives length bytes at off, or what is there of them and an error.
func window(b []byte, off, length uint32, what string) ([]byte, error) {
	if int64(off) > int64(len(b)) {
		return nil, cursor.Errorf(int64(len(b)), "%s: begin at %d, file has %d bytes", what, off, len(b))
	}
	b = b[off:]
	if int64(length) > int64(len(b)) {
		return b, cursor.Errorf(int64(off), "%s: need %d bytes, have %d", what, length, len(b))
	}
	return b[:length], nil
}

// strings reads the file names and the metrics that point to them. A metric
// keeps an index, not a copy: a hostile file could let half a million metrics
// name one string of megabytes.
func (f *File) strings(b []byte, s sections) {
	if s.hashStrSize > 0 {
		raw, err := window(b, s.hashString, s.hashStrSize, "hash string")
		f.HashString = utf16.CString(raw)
		f.damage(err)
	}
	names, err := window(b, s.names, s.nameSize, "file names")
	f.damage(err)
	starts := map[uint32]int{}
	from := 0
	for i := 0; i+1 < len(names); i += 2 {
		if names[i] != 0 || names[i+1] != 0 {
			continue
		}
		if len(f.Files) == maxNames {
			f.damage(cursor.Errorf(int64(s.names)+int64(i), "file names: more than %d", maxNames))
			break
		}
		if i > from {
			starts[uint32(from)] = len(f.Files)
			f.Files = append(f.Files, utf16.String(names[from:i]))
		}
		from = i + 2
	}
	if rest := names[min(from, len(names)):]; err != nil && len(rest) > 1 {
		starts[uint32(from)] = len(f.Files)
		f.Files = append(f.Files, utf16.String(rest)) // cut short; err says so
	}
	f.metrics(b, s, starts)
}

func (f *File) metrics(b []byte, s sections, starts map[uint32]int) {
	size := uint64(32)
	if f.Version == 17 {
		size = 20
	}
	raw, err := window(b, s.metrics, uint32(min(uint64(s.metricCount)*size, 1<<32-1)), "file metrics")
	f.damage(err)
	c := cursor.At(raw, int64(s.metrics))
	f.Metrics = make([]Metric, 0, uint64(len(raw))/size)
	lost := 0
	for c.Left() >= int(size) {
		at := c.Pos()
		m := Metric{Start: c.U32("start"), Duration: c.U32("duration"), File: -1}
		if f.Version != 17 {
			c.Skip(4, "average duration")
		}
		off, n := c.U32("name"), c.U32("name length")
		m.Flags = c.U32("flags")
		if f.Version != 17 {
			m.Ref = c.U64("file reference")
		}
		if i, ok := starts[off]; ok {
			m.File = i
		} else if n > 0 {
			if lost++; lost == 1 {
				f.damage(cursor.Errorf(at, "file metric %d: no name begins at %d", len(f.Metrics), off))
			}
		}
		f.Metrics = append(f.Metrics, m)
	}
}

// volumes reads the volume information. The lists of a volume lie in the same
// section; together they cannot be longer than it, which bounds what volumes
// that share a list can cost.
func (f *File) volumes(b []byte, s sections) {
	size := uint64(104)
	switch {
	case f.Version == 17:
		size = 40
	case f.Version >= 30:
		size = 96
	}
	raw, err := window(b, s.volumes, s.volumeSize, "volumes")
	f.damage(err)
	if fits := uint64(len(raw)) / size; uint64(s.volumeCount) > fits {
		f.damage(cursor.Errorf(int64(s.volumes), "volumes: %d of them do not fit into %d bytes", s.volumeCount, len(raw)))
		s.volumeCount = uint32(fits)
	}
	if s.volumeCount > maxVolumes {
		f.damage(cursor.Errorf(int64(s.volumes), "volumes: %d are more than %d", s.volumeCount, maxVolumes))
		s.volumeCount = maxVolumes
	}
	v := volumeReader{b: raw, base: int64(s.volumes), budget: len(raw)}
	for i := range int(s.volumeCount) {
		vol, err := v.volume(i * int(size))
		f.damage(err)
		f.Volumes = append(f.Volumes, vol)
	}
}

type volumeReader struct {
	b      []byte
	base   int64
	budget int // bytes that lists may still use
}

func (v *volumeReader) take(c *cursor.Cursor, n int, what string) []byte {
	if v.budget -= n; v.budget < 0 {
		c.Fail("%s: lists of the volumes overlap", what)
	}
	return c.Take(n, what)
}

// volume reads one entry; its first error stands for the rest of it.
func (v *volumeReader) volume(at int) (Volume, error) {
	c := cursor.At(v.b, v.base)
	c.Seek(at, "volume")
	name, nameLen := c.U32("device path"), c.U32("device path")
	vol := Volume{Created: c.U64("creation time"), Serial: c.U32("serial number")}
	refs, refSize := c.U32("file references"), c.U32("file references")
	dirs, dirCount := c.U32("directories"), c.U32("directories")

	seek(c, name, "device path")
	vol.Device = utf16.CString(v.take(c, int(min(nameLen, MaxSize))*2, "device path"))
	if refSize > 0 {
		seek(c, refs, "file references")
		v.refs(c, &vol, refSize)
	}
	if dirCount > 0 {
		seek(c, dirs, "directories")
	}
	for range dirCount {
		n := int(c.U16("directory"))
		vol.Directories = append(vol.Directories, utf16.String(v.take(c, n*2, "directory")))
		v.take(c, 2, "end of directory")
		if c.Err() != nil {
			vol.Directories = vol.Directories[:len(vol.Directories)-1]
			return vol, c.Err()
		}
	}
	return vol, c.Err()
}

func seek(c *cursor.Cursor, off uint32, what string) { c.Seek(int(min(off, MaxSize)), what) }

// refs reads the file references: a version, their number, and from version 3
// on eight bytes of unknown use that the number counts as one.
func (v *volumeReader) refs(c *cursor.Cursor, vol *Volume, size uint32) {
	start := c.Off()
	version, n := c.U32("file references"), c.U32("file references")
	if version >= 3 && n > 0 {
		c.Skip(8, "file references")
		n--
	}
	if have := (int(min(size, MaxSize)) - (c.Off() - start)) / 8; int64(n) > int64(have) {
		c.Fail("file references: %d of them do not fit into %d bytes", n, size)
	}
	for range n {
		b := v.take(c, 8, "file reference")
		if b == nil {
			return
		}
		r := cursor.New(b)
		vol.Refs = append(vol.Refs, r.U64("file reference"))
	}
}
