package evidence

import (
	"bytes"
	"context"
	"fmt"

	"kanshiki/parsers/packed"
)

const formatPacked = "raw sectors compressed as a whole by gzip, zstd, xz or bzip2 (.gz, .zst, .xz, .bz2)"

func isPacked(head, _ []byte) bool { return packed.Identify(head) != packed.None }

// peekSize is how much of a compressed file is decoded to see whether it holds a
// disk: as much as a raw image has at least.
const peekSize = minRaw

// openPacked opens a raw image that was compressed. What holds anything else is
// refused as what it is.
func openPacked(ctx context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	head := memFile{bytes.NewReader(packed.Head(f.R, f.Size, peekSize))}
	first, _ := readPart(head, 0, headSize)
	if !looksLikeDisk(head, first) && !namedRaw(innerName(path), head, first) {
		p.Close()
		return nil, nil, &NotAnImage{path, "compressed, of something that is no disk image; " + unpackFirst}
	}
	d, err := packed.Open(f.R, f.Size, packed.Options{CacheBytes: o.CacheBytes, Workers: o.Workers,
		Each: func(int64) error { return ctx.Err() }})
	if err != nil {
		p.Close()
		if ctx.Err() != nil {
			return nil, nil, err
		}
		return nil, nil, &Broken{path, err}
	}
	kind := d.Kind().String()
	var notes []string
	if d.Size()/int64(d.Points()) > slowSpan {
		notes = append(notes, fmt.Sprintf("%s is compressed as a whole: all of it was read once, and reading it out of order is slow; ks-acquire makes an image of it that is not", f.Name))
	}
	return &diskImage{Disk: d.Disk, pool: p, bare: d.Bare(), problems: d.Problems.Problems,
		info: Info{Format: kind + "-compressed sectors", Segments: []string{f.Name}}}, notes, nil
}

// slowSpan is how many bytes of a medium are decoded at most for one read
// without a word being said.
const slowSpan = 64 << 20

// memFile is bytes as a file of evidence.
type memFile struct{ *bytes.Reader }

// Close does nothing.
func (memFile) Close() error { return nil }
