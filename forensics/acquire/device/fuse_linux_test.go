package device_test

import (
	"bytes"
	"testing"

	"kanshiki/forensics/acquire/device"
	"kanshiki/forensics/acquire/faulty"
	"kanshiki/forensics/acquire/faulty/mounted"
	"kanshiki/forensics/acquire/rescue"
)

// The same pattern costs ewfacquire hundreds of good sectors, and ddrescue
// through the cache more than a thousand; ddrescue -d loses none.
func TestPlanOnDevices(t *testing.T) {
	src := &faulty.Source{Data: faulty.Medium(40 << 20), Faults: faulty.Plan()}
	name, _ := mounted.File(t, src)
	for _, c := range []struct {
		name string
		path func() string
		open func(string) (*device.Device, error)
		size int // of a sector
		most int // good sectors of 512 bytes lost at a bad spot
	}{
		{"file", func() string { return name }, device.Open, 512, 0},
		{"loop device", func() string { return mounted.Loop(t, name) }, device.Open, 512, 0},
		{"loop device with direct I/O", func() string { return mounted.Loop(t, name, "--direct-io=on") }, device.Open, 512, 0},
		{"loop device through the cache", func() string { return mounted.Loop(t, name) }, device.OpenCached, 512, 7},
		{"loop device with sectors of 4096", func() string { return mounted.Loop(t, name, "--sector-size=4096") }, device.Open, 4096, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := c.open(c.path())
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if d.Size() != src.Size() || d.Sector() != c.size {
				t.Errorf("info: %+v", d.Info())
			}
			got, listed := readAll(t, d)
			lost, err := src.Lost(got, listed)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d good sectors lost, direct: %v", lost, d.Info().Direct)
			if lost > c.most*len(faulty.Plan()) || len(listed) != 77+lost {
				t.Errorf("%d good sectors lost, %d listed", lost, len(listed))
			}
		})
	}
}

func readAll(t *testing.T, d *device.Device) (got []byte, listed map[int64]bool) {
	t.Helper()
	r, p := rescue.New(d, rescue.Options{Retries: 1}), device.Alloc(1<<20)
	got, listed = make([]byte, 0, d.Size()), map[int64]bool{}
	for off := int64(0); off < d.Size(); off += int64(len(p)) {
		p = p[:min(1<<20, d.Size()-off)]
		bad, err := r.Read(t.Context(), p, off)
		if err != nil {
			t.Fatal(err)
		}
		per := int64(d.Sector() / 512)
		for _, b := range bad {
			for i := range b.Count * per {
				listed[b.Sector*per+i] = true
			}
		}
		got = append(got, p...)
	}
	return got, listed
}

// A block device that answers EIO to everything from some time on keeps its
// size: only a sector that was good tells.
func TestDeadDevice(t *testing.T) {
	src := &faulty.Source{Data: faulty.Medium(32 << 20)}
	name, dead := mounted.File(t, src)
	dev := mounted.Loop(t, name)
	for what, open := range map[string]func() (*device.Device, error){
		"file":                          func() (*device.Device, error) { return device.Open(name) },
		"loop device":                   func() (*device.Device, error) { return device.Open(dev) },
		"loop device through the cache": func() (*device.Device, error) { return device.OpenCached(dev) },
	} {
		dead.Store(false)
		d, err := open()
		if err != nil {
			t.Fatal(err)
		}
		r, p := rescue.New(d, rescue.Options{}), device.Alloc(1<<20)
		for off := int64(0); ; off += 1 << 20 {
			if off == d.Size() {
				t.Errorf("%s: dead since %d, and never noticed", what, 3<<20)
				break
			}
			if off == 3<<20 {
				dead.Store(true)
			}
			bad, err := r.Read(t.Context(), p, off)
			if device.Gone(err) && off >= 3<<20 {
				break
			}
			// Read-ahead may have had some windows more.
			if err != nil || len(bad) > 0 || !bytes.Equal(p, src.Data[off:off+1<<20]) {
				t.Errorf("%s: at %d: %v, %v", what, off, bad, err)
				break
			}
		}
		d.Close()
	}
}
