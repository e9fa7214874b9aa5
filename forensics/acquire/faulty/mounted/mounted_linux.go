package mounted

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"kanshiki/forensics/acquire/faulty"
)

// badFile is a file of which some sectors answer EIO, through the kernel.
type badFile struct {
	fs.Inode
	src  *faulty.Source
	dead *atomic.Bool
}

var (
	_ fs.NodeOpener    = (*badFile)(nil)
	_ fs.NodeReader    = (*badFile)(nil)
	_ fs.NodeGetattrer = (*badFile)(nil)
)

func (f *badFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *badFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Size, out.Mode = uint64(f.src.Size()), 0o444
	return 0
}

func (f *badFile) Read(_ context.Context, _ fs.FileHandle, p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if f.dead.Load() {
		return nil, syscall.EIO
	}
	n, err := f.src.ReadAt(p, off)
	if err != nil && n == 0 && off < f.src.Size() {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(p[:n]), 0
}

type root struct {
	fs.Inode
	file *badFile
}

func (r *root) OnAdd(ctx context.Context) {
	r.AddChild("disk.raw", r.NewPersistentInode(ctx, r.file, fs.StableAttr{Mode: syscall.S_IFREG}), true)
}

// File shows a faulty medium as a file, or skips the test. Once dead is set
// every read answers EIO.
func File(t testing.TB, src *faulty.Source) (name string, dead *atomic.Bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount FUSE")
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		t.Skipf("no FUSE: %v", err)
	} else {
		f.Close()
	}
	dir, dead := t.TempDir(), new(atomic.Bool)
	server, err := fs.Mount(dir, &root{file: &badFile{src: src, dead: dead}}, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "kanshiki-test"}})
	if err != nil {
		t.Skipf("FUSE cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "disk.raw"), dead
}

// Loop makes a read-only block device of a file, or skips the test. The
// arguments are those of losetup.
func Loop(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command("losetup", append(args, "--find", "--show", "--read-only", name)...).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device: %v %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", dev).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	return dev
}
