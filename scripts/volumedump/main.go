// Command volumedump writes a volume of an image as we read it, for the peers
// that scripts/peers compares with: decrypted, or as a shadow copy has it.
//
//	volumedump [--key KEY] [--shadow N] [--storage IMAGE] [--from BYTE] [--bytes N] IMAGE
//	volumedump --image IMAGE
//
// The image must hold one volume with a file system. Bytes go to standard output.
// --storage names an image whose volume holds the shadow copies; --image gives the
// image's own bytes, out of their container. What cannot be read ends the output,
// with exit 3 and the byte on standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"kanshiki/forensics/evidence"
	"kanshiki/forensics/volume"
)

type options struct {
	key, storage string
	shadow       int
	image        bool
	from, bytes  int64
}

func main() {
	var o options
	flag.StringVar(&o.key, "key", "", "password:TEXT, recovery:DIGITS, startup:FILE.BEK or volume:HEX")
	flag.IntVar(&o.shadow, "shadow", 0, "number of a shadow copy, the oldest is 1")
	flag.StringVar(&o.storage, "storage", "", "image with the volume that holds the shadow copies")
	flag.Int64Var(&o.from, "from", 0, "first byte to write")
	flag.Int64Var(&o.bytes, "bytes", -1, "how many bytes to write; all that follow if below zero")
	flag.BoolVar(&o.image, "image", false, "the image itself")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	at, err := dump(flag.Arg(0), o)
	switch {
	case err != nil && at > 0:
		fmt.Fprintf(os.Stderr, "volumedump: ends at byte %d: %v\n", at, err)
		os.Exit(3)
	case err != nil:
		fmt.Fprintln(os.Stderr, "volumedump:", err)
		os.Exit(1)
	}
}

// dump writes what is asked for and tells where it ended.
func dump(name string, o options) (int64, error) {
	e, err := evidence.OpenImage(context.Background(), name, evidence.Options{})
	if err != nil {
		return 0, err
	}
	defer e.Close()
	if o.image {
		return o.write(e.Image, e.Image.Size())
	}
	c, err := content(e, o.key)
	if err != nil {
		return 0, err
	}
	if o.shadow == 0 {
		return o.write(c.R, c.Size)
	}
	var others []volume.Content
	if o.storage != "" {
		s, err := evidence.OpenImage(context.Background(), o.storage, evidence.Options{})
		if err != nil {
			return 0, err
		}
		defer s.Close()
		other, err := content(s, "")
		if err != nil {
			return 0, err
		}
		others = append(others, other)
	}
	copies, err := volume.Snapshots(c, others, false)
	if err != nil {
		return 0, err
	}
	if copies == nil || o.shadow > len(copies.Stores) {
		return 0, fmt.Errorf("no shadow copy %d", o.shadow)
	}
	snap, err := copies.Stores[o.shadow-1].Open()
	if err != nil {
		return 0, err
	}
	return o.write(snap, snap.Size())
}

// content is the one volume of an image that has a file system.
func content(e *evidence.Evidence, key string) (volume.Content, error) {
	var keys []volume.Key
	if key != "" {
		k, err := volume.ParseKey(key, os.ReadFile)
		if err != nil {
			return volume.Content{}, err
		}
		keys = append(keys, k)
	}
	volumes, _ := volume.List(e.Image, "", e.Name)
	var found []volume.Volume
	for _, v := range volumes {
		if v.Kind.Readable() || v.Kind == volume.BitLocker || v.Kind == volume.BitLockerToGo {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		return volume.Content{}, fmt.Errorf("%s: %d volumes, want one", e.Name, len(found))
	}
	return volume.Open(e.Image, found[0], "", keys)
}

// write writes the range that is wanted and tells where it ended.
func (o options) write(r io.ReaderAt, size int64) (int64, error) {
	end := size
	if o.bytes >= 0 {
		end = min(size, o.from+o.bytes)
	}
	b := make([]byte, 1<<20)
	for off := o.from; off < end; {
		n, err := r.ReadAt(b[:min(int64(len(b)), end-off)], off)
		if _, err := os.Stdout.Write(b[:n]); err != nil {
			return off, err
		}
		off += int64(n)
		if err != nil && !(errors.Is(err, io.EOF) && off == size) {
			return off, err
		}
	}
	return end, nil
}
