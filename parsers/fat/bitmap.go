package fat

import (
	"sync"

	"kanshiki/parsers/internal/cursor"
)

// bitmap is the allocation bitmap of exFAT, read in pages.
type bitmap struct {
	mu    sync.Mutex
	list  []Extent
	page  []byte
	start int64
	have  int
	err   error
}

const bitmapPage = 64 << 10

// bit tells whether a cluster is in use.
func (m *bitmap) bit(v *Volume, cluster uint32) (bool, error) {
	n := int64(cluster - 2)
	at := n / 8
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.page == nil || at < m.start || at >= m.start+bitmapPage {
		if m.page == nil {
			m.page = make([]byte, bitmapPage)
		}
		m.start = at - at%bitmapPage
		m.have, m.err = v.readExtents(m.list, m.page, m.start)
	}
	if at-m.start >= int64(m.have) {
		if m.err != nil {
			return false, m.err
		}
		return false, cursor.Errorf(v.geo.DataOff, "no bit of cluster %d in the allocation bitmap", cluster)
	}
	return m.page[at-m.start]>>(n%8)&1 != 0, nil
}

// readExtents reads a stream of these extents from off on, as far as they go.
func (v *Volume) readExtents(list []Extent, p []byte, off int64) (int, error) {
	n := 0
	for _, x := range list {
		at := off + int64(n)
		if n == len(p) || at < x.Off {
			break
		}
		if at >= x.Off+x.Len {
			continue
		}
		part := p[n:][:min(int64(len(p)-n), x.Off+x.Len-at)]
		k, err := v.r.ReadAt(part, x.Disk+at-x.Off)
		n += k
		if k < len(part) {
			return n, cursor.Errorf(x.Disk+at-x.Off+int64(k), "cannot be read: %w", unexpected(err))
		}
	}
	return n, nil
}
