package container_test

import (
	"bytes"
	"errors"
	"testing"

	"kanshiki/parsers/container"
)

// A child that is larger than its parent is zero behind it, also where the
// parent is damaged, whatever the buffer held before.
func TestChildLargerThanParent(t *testing.T) {
	data := bytes.NewReader(bytes.Repeat([]byte{7}, 1024))
	why := errors.New("damaged")
	parent := container.New(container.Layout{Size: 1024, Span: func(off, limit int64) container.Span {
		if off >= 512 {
			return container.Span{Len: limit, Kind: container.Corrupt, Err: why}
		}
		return container.Span{Len: min(limit, 512-off), Kind: container.Data, From: data, At: off}
	}})
	child := container.New(container.Layout{Size: 4096, Under: []*container.Disk{parent}, Span: func(off, limit int64) container.Span {
		return container.Span{Len: limit, Kind: container.Data, From: parent, At: off}
	}})
	p := bytes.Repeat([]byte{0xEE}, 4096)
	n, err := child.ReadAt(p, 0)
	e, ok := errors.AsType[*container.Error](err)
	if n != 512 || !ok || len(e.Ranges) != 1 || e.Ranges[0].Off != 512 || e.Ranges[0].Len != 512 || !errors.Is(err, why) {
		t.Errorf("%d, %v", n, err)
	}
	if want := append(bytes.Repeat([]byte{7}, 512), make([]byte, 3584)...); !bytes.Equal(p, want) {
		t.Error("other bytes than the parent's and zeros")
	}
	if n, err := child.ReadAt(p[:100], 2000); n != 100 || err != nil || !bytes.Equal(p[:100], make([]byte, 100)) {
		t.Errorf("behind the parent: %d, %v", n, err)
	}
	if err := child.Close(); err != nil {
		t.Error(err)
	}
}
