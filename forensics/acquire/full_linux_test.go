package acquire

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"kanshiki/forensics/evidence"
)

// A full disk stops the run with the image kept, and it goes on in another
// folder: all segments together are those of a run that had room.
func TestDiskFull(t *testing.T) {
	data := content(24<<20 + 512*3)
	for name, o := range formats() {
		t.Run(name, func(t *testing.T) {
			whole, full, more := t.TempDir(), t.TempDir(), t.TempDir()
			size := "size=3m"
			if o.Format == Raw {
				size = "size=9m"
			}
			if err := syscall.Mount("tmpfs", full, "tmpfs", 0, size); err != nil {
				t.Skipf("a small file system cannot be mounted here: %v", err)
			}
			defer syscall.Unmount(full, 0)
			image := o.Image
			o.Image = filepath.Join(whole, image)
			if _, err := Begin(context.Background(), medium(data), o); err != nil {
				t.Fatal(err)
			}
			o.Image = filepath.Join(full, image)
			_, err := Begin(context.Background(), medium(data), o)
			if !NoRoom(err) {
				t.Fatalf("a full disk: %v", err)
			}
			from := o.Image
			c, err := ReadCheckpoint(from)
			if err != nil {
				t.Fatal(err)
			}
			o.Image = filepath.Join(more, image)
			res, err := Resume(context.Background(), medium(data), o, from)
			if err != nil {
				t.Fatal(err)
			}
			if c.Segment > 1 && filepath.Dir(res.Segments[0].Path) != full {
				t.Errorf("complete segments were moved: %v", res.Segments)
			}
			back, err := ReadBack(context.Background(), res, o, func(*evidence.Block) {})
			if err != nil || !back.OK {
				t.Errorf("read back: %v %+v", err, back)
			}
			os.Remove(PartialName(o.Image))
			if a, b := dir(t, whole), dir(t, full, more); fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("not the same:\n%v\n%v", a, b)
			}
		})
	}
}
