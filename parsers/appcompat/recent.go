package appcompat

import (
	"iter"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// RecentFileCache is the file RecentFileCache.bcf of Windows 7 and 2008 R2.
type RecentFileCache struct{ data []byte }

// Recent is one path of the file. No time stands with it.
type Recent struct {
	Offset int64
	Path   string
}

const recentHeader = 20

// ParseRecent recognises a RecentFileCache.bcf.
func ParseRecent(data []byte) (*RecentFileCache, error) {
	c := cursor.New(data)
	if sig := c.Take(8, "signature of RecentFileCache"); c.Err() == nil && string(sig) != "\xfe\xff\xee\xff\x11\x22\x00\x00" {
		return nil, cursor.Errorf(0, "signature fe ff ee ff 11 22 00 00 expected, found % x", sig)
	}
	c.Seek(recentHeader, "entries of RecentFileCache")
	if c.Err() != nil {
		return nil, c.Err()
	}
	return &RecentFileCache{data}, nil
}

// Entries yields the paths. The first one that does not fit ends them, for
// nothing marks where the next one begins.
func (f *RecentFileCache) Entries() iter.Seq2[Recent, error] {
	return func(yield func(Recent, error) bool) {
		c := cursor.New(f.data)
		c.Seek(recentHeader, "entries of RecentFileCache")
		for c.Left() > 0 {
			e := Recent{Offset: c.Pos()}
			n := c.U32("length of a path")
			e.Path = utf16.String(c.Take(int(min(n, 1<<28))*2, "path"))
			if end := c.U16("end of a path"); c.Err() == nil && end != 0 {
				c.Fail("path: a zero expected behind %d characters", n)
			}
			if !yield(e, c.Err()) || c.Err() != nil {
				return
			}
		}
	}
}
