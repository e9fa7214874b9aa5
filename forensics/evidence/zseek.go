package evidence

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/zseek"
)

const formatZseek = "seekable zstd (.zst; of ks-acquire and of other programs)"

func isZseek(head, tail []byte) bool { return zseek.Identify(head, tail) }

// openZseek opens a disk in frames of zstd. What another program compressed is
// an image only if it looks like one.
func openZseek(ctx context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	z, err := zseek.Open(f.R, f.Size, zseek.Options{CacheBytes: o.CacheBytes, Workers: o.Workers})
	if err != nil {
		p.Close()
		if errors.Is(err, zseek.ErrUnsupported) {
			return openPacked(ctx, path, o)
		}
		return nil, nil, &Broken{path, err}
	}
	if !z.Own() && !holdsDisk(path, z.Disk) {
		z.Close()
		p.Close()
		return nil, nil, &NotAnImage{path, "compressed, of something that is no disk image; " + unpackFirst}
	}
	img := &diskImage{Disk: z.Disk, pool: p, sector: z.Meta().Sector, bare: z.Bare(), digests: z.Digests(), problems: z.Problems.Problems,
		info: Info{Format: "seekable zstd", Variant: fmt.Sprintf("frames of %d KiB", z.Frames()>>10), Segments: []string{f.Name}}}
	for _, x := range z.Meta().Fields {
		img.info.Fields = append(img.info.Fields, Field{Name: x.Name, Value: x.Value})
	}
	if len(z.End().Bad) > 0 {
		img.hashed = z.Filling
	}
	return img, nil, nil
}

// contentFile is what a compressed file holds.
type contentFile struct{ *container.Disk }

// holdsDisk tells whether what is inside a compressed file is an array of
// sectors, by what it is, or by the name without its last ending.
func holdsDisk(path string, d *container.Disk) bool {
	f := contentFile{d}
	head, err := readPart(f, 0, headSize)
	if err != nil && len(head) == 0 {
		return false
	}
	return looksLikeDisk(f, head) || namedRaw(innerName(path), f, head)
}

// innerName is a compressed file's name without the ending of the compression.
func innerName(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path))
}
