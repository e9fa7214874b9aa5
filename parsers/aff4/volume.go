package aff4

import (
	"archive/zip"
	"fmt"
	"io"
	"net/url"
	"strings"

	"kanshiki/parsers/container"
)

// members are the segments of a volume by their names, as its RDF writes them.
type members struct {
	f    container.File
	zip  *zip.Reader
	at   map[string]*zip.File
	name string // the volume's own
}

func openZip(f container.File) (*members, error) {
	z, err := zip.NewReader(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	m := &members{f: f, zip: z, at: make(map[string]*zip.File, len(z.File)), name: strings.TrimRight(z.Comment, "\x00")}
	for _, e := range z.File {
		name, err := url.PathUnescape(e.Name)
		if err != nil {
			name = e.Name
		}
		if _, twice := m.at[name]; !twice {
			m.at[name] = e
		}
	}
	return m, nil
}

// find is a segment of a resource; a resource of the volume's own may be named
// without it.
func (m *members) find(resource, segment string) *zip.File {
	full := resource + "/" + segment
	if e := m.at[full]; e != nil {
		return e
	}
	return m.at[strings.TrimPrefix(full, m.name+"/")]
}

// part is a stored segment, as it lies in the file.
func (m *members) part(e *zip.File) (off, n int64, err error) {
	if e.Method != zip.Store {
		return 0, 0, fmt.Errorf("%s: a segment that is compressed once more %w", e.Name, ErrUnsupported)
	}
	if off, err = e.DataOffset(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", e.Name, err)
	}
	if n = int64(min(e.UncompressedSize64, 1<<62)); off > m.f.Size || n > m.f.Size-off {
		return 0, 0, fmt.Errorf("%s: %d bytes at %#x, in a file of %d", e.Name, n, off, m.f.Size)
	}
	return off, n, nil
}

// bytes reads a segment of limit bytes at most.
func (m *members) bytes(e *zip.File, limit int64) ([]byte, error) {
	if int64(min(e.UncompressedSize64, 1<<62)) > limit {
		return nil, fmt.Errorf("%s: %d bytes, limit %d", e.Name, e.UncompressedSize64, limit)
	}
	r, err := e.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return b, fmt.Errorf("%s: %w", e.Name, err)
	}
	return b, nil
}
