package picture

import (
	"context"
	"fmt"
	"io"
	"strings"

	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/volume"
)

// Volume is what the files of an NTFS volume use, and how much of that holds
// nothing but zeros.
type Volume struct {
	Number int      `json:"volume"`
	Used   int64    `json:"used_bytes"` // clusters of live files, as far as they were ever written
	Zero   int64    `json:"zero_bytes"` // of them
	Empty  []string `json:"empty_files,omitempty"`
	Files  int      `json:"empty_file_count"` // files of 1 MiB and more that are zeros from end to end
	Note   string   `json:"note,omitempty"`   // why the files were not looked at
}

const (
	minEmpty  = 1 << 20 // a smaller file of zeros is nothing odd
	maxListed = 10
)

// Files holds the picture against the file systems in the image. A volume whose
// $MFT has room for more entries than limit is left out, and that is said: the
// machine that acquires may have little memory. 0 is no limit.
func (p *Picture) Files(ctx context.Context, e *evidence.Evidence, limit uint64) error {
	vols, _ := volume.List(e.Image, e.Exhibit, e.Name)
	for _, v := range vols {
		if v.Kind != volume.NTFS {
			continue
		}
		if n, err := filesystem.Slots(io.NewSectionReader(e.Image, v.Off, v.Len), v.Len); err == nil && limit > 0 && n > limit {
			p.Volumes = append(p.Volumes, Volume{Number: v.Number, Note: fmt.Sprintf("not looked at: %d entries; ks-verify --picture does it", n)})
			continue
		}
		n, err := filesystem.OpenNTFS(ctx, io.NewSectionReader(e.Image, v.Off, v.Len), v.Len, filesystem.Options{
			At: locator.Locator{Exhibit: e.Exhibit, Volume: v.Number}, Base: v.Off})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			continue // said where volumes are read
		}
		x := Volume{Number: v.Number}
		err = n.Used(ctx, func(u filesystem.Used) {
			var used, zero int64
			for _, part := range u.Parts {
				used += part.Len
				zero += p.zeroIn(v.Off+part.Off, part.Len)
			}
			x.Used, x.Zero = x.Used+used, x.Zero+zero
			if used >= minEmpty && zero >= used-2*p.Unit && !expected(u.Path) {
				if x.Files++; len(x.Empty) < maxListed {
					x.Empty = append(x.Empty, fmt.Sprintf("%s (%d bytes)", u.Path, used))
				}
			}
		})
		if err != nil {
			return err
		}
		p.Volumes = append(p.Volumes, x)
	}
	return nil
}

// expected tells files that Windows itself fills with zeros.
func expected(path string) bool {
	switch strings.ToLower(path) {
	case "pagefile.sys", "hiberfil.sys", "swapfile.sys", "$logfile":
		return true
	}
	return false
}
