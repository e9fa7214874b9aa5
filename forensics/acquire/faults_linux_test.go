package acquire_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kanshiki/forensics/acquire"
	"kanshiki/forensics/acquire/device"
	"kanshiki/forensics/acquire/faulty"
	"kanshiki/forensics/acquire/faulty/mounted"
	"kanshiki/forensics/evidence"
)

// 77 bad sectors in 5 places, through the kernel, into an image: they alone are
// missing in it, and the image itself says which they are.
func TestBadSectorsOfDevices(t *testing.T) {
	src := &faulty.Source{Data: faulty.Medium(40 << 20), Faults: faulty.Plan()}
	name, _ := mounted.File(t, src)
	for what, path := range map[string]func() string{
		"file":        func() string { return name },
		"loop device": func() string { return mounted.Loop(t, name) },
	} {
		for _, format := range acquire.Formats {
			t.Run(what+" "+format, func(t *testing.T) {
				d, err := device.Open(path())
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				m := acquire.FromDevice(d, acquire.Reading{Retries: 1, Now: time.Now})
				image := filepath.Join(t.TempDir(), "image."+format)
				res, err := acquire.Begin(t.Context(), &m, acquire.Options{Image: image, Format: format, Tool: "test", Now: time.Now})
				if err != nil {
					t.Fatal(err)
				}
				listed := map[int64]bool{}
				for _, b := range res.Bad {
					for i := range b.Count {
						listed[b.Sector+i] = true
					}
				}
				if lost := lostIn(t, image, src, listed); lost != 0 || len(listed) != 77 {
					t.Errorf("%d good sectors lost, %d listed", lost, len(listed))
				}
				if format == acquire.E01 {
					sameInImage(t, image, listed)
				}
			})
		}
	}
}

// lostIn reads an image and counts the good sectors that are not in it.
func lostIn(t *testing.T, image string, src *faulty.Source, listed map[int64]bool) int {
	t.Helper()
	e, err := evidence.OpenImage(t.Context(), image, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var got bytes.Buffer
	err = evidence.Stream(t.Context(), e.Image, func(b *evidence.Block) error {
		got.Write(b.Data)
		b.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lost, err := src.Lost(got.Bytes(), listed)
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

// sameInImage holds the sectors that an E01 calls unreadable against a list.
func sameInImage(t *testing.T, image string, listed map[int64]bool) {
	t.Helper()
	e, err := evidence.OpenImage(t.Context(), image, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	n := 0
	for x := range e.Image.Ranges(0, e.Image.Size()) {
		for i := x.Off; x.Kind == evidence.Unreadable && i < x.Off+x.Len; i += 512 {
			n++
			if !listed[i/512] {
				t.Errorf("the image calls sector %d unreadable", i/512)
			}
		}
	}
	if n != len(listed) {
		t.Errorf("the image calls %d sectors unreadable, %d are", n, len(listed))
	}
}

// A device that dies while it is read leaves a checkpoint and no zeros; when it
// answers again, the run goes on to the bytes of one that was not stopped.
func TestDeviceDies(t *testing.T) {
	whole := &faulty.Source{Data: faulty.Medium(32 << 20)}
	name, dead := mounted.File(t, whole)
	for _, path := range []string{name, mounted.Loop(t, name)} {
		dead.Store(false)
		image := filepath.Join(t.TempDir(), "image.raw")
		o := acquire.Options{Image: image, Format: acquire.Raw, Tool: "test", Checkpoint: 1 << 20, Now: time.Now}
		d, err := device.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		m := acquire.FromDevice(d, acquire.Reading{Retries: 1, Now: time.Now})
		o.Progress = &killer{left: 12 << 20, kill: func() { dead.Store(true) }}
		if _, err := acquire.Begin(t.Context(), &m, o); !device.Gone(err) {
			t.Errorf("%s: died, and the error is %v", path, err)
		}
		d.Close()
		if _, err := acquire.ReadCheckpoint(image); err != nil {
			t.Fatal(err)
		}
		dead.Store(false)
		if d, err = device.Open(path); err != nil {
			t.Fatal(err)
		}
		m = acquire.FromDevice(d, acquire.Reading{Retries: 1, Now: time.Now})
		o.Progress = nil
		res, err := acquire.Resume(t.Context(), &m, o, "")
		if err != nil || len(res.Bad) > 0 {
			t.Fatalf("%s: goes on: %v, %v", path, res, err)
		}
		if lost := lostIn(t, image, whole, nil); lost != 0 {
			t.Errorf("%s: %d sectors lost", path, lost)
		}
		d.Close()
	}
}

// A file that grows while it is read is no source.
func TestSourceGrows(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "growing.bin")
	if err := os.WriteFile(name, faulty.Medium(48<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := device.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m := acquire.FromDevice(d, acquire.Reading{Now: time.Now})
	o := acquire.Options{Image: filepath.Join(dir, "image.raw"), Format: acquire.Raw, Tool: "test", Now: time.Now,
		Progress: &killer{left: 1, kill: func() { os.Truncate(name, 49<<20) }}}
	if _, err := acquire.Begin(t.Context(), &m, o); err == nil {
		t.Error("a source that grew was taken")
	}
}

// killer is told of progress and kills the medium when enough was done.
type killer struct {
	left int64
	kill func()
}

func (*killer) Note(string) {}

func (k *killer) Start(string, int64) {}

func (k *killer) Add(n int64) {
	if k.left -= n; k.left <= 0 && k.left+n > 0 {
		k.kill()
	}
}
