package acquire

import (
	"context"
	"errors"
	"io"
	"time"

	"kanshiki/forensics/acquire/device"
	"kanshiki/forensics/acquire/rescue"
	"kanshiki/forensics/evidence"
)

// Reading says how a device is read where it has bad places.
type Reading struct {
	Retries int           // further tries of each bad sector
	Budget  time.Duration // for one bad region
	Now     func() time.Time
}

// FromDevice makes a medium of a device or a file of sectors.
func FromDevice(d *device.Device, o Reading) Medium {
	in := d.Info()
	removable := in.Removable != nil && *in.Removable
	return Medium{Source: &deviceSource{d, o}, Size: d.Size(), Sector: d.Sector(), Model: in.Model, Serial: in.Serial,
		Physical: in.Kind == device.Disk || in.Kind == device.File, Removable: removable}
}

// FromImage makes a medium of an image that is converted.
func FromImage(img evidence.Image, now func() time.Time) Medium {
	src := &imageSource{img, evidence.Hashed(img), padTo(img.Size(), img.SectorSize()), now}
	return Medium{Source: src, Size: img.Size(), Sector: img.SectorSize(), Physical: true}
}

// padTo is a size in whole sectors.
func padTo(size int64, sector int) int64 {
	return (size + int64(sector) - 1) / int64(sector) * int64(sector)
}

// deviceSource reads a device in order, around what cannot be read.
type deviceSource struct {
	d *device.Device
	o Reading
}

func (s *deviceSource) Stream(ctx context.Context, off int64, buffers int, emit func(*Batch) error) error {
	r := rescue.New(s.d, rescue.Options{Retries: s.o.Retries, Budget: s.o.Budget, Now: s.o.Now})
	pool := make(chan []byte, buffers)
	for range buffers {
		pool <- nil
	}
	for ; off < s.d.Size(); off += batchSize {
		var b []byte
		select {
		case b = <-pool:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b == nil {
			b = device.Alloc(batchSize)
		}
		n := min(batchSize, s.d.Size()-off)
		from := s.o.Now()
		bad, err := r.Read(ctx, b[:n], off)
		if err != nil {
			return err
		}
		whole := padTo(n, s.d.Sector())
		clear(b[n:whole])
		x := &Batch{Off: off, Data: b[:whole], Took: s.o.Now().Sub(from), Free: func() { pool <- b }}
		for _, k := range bad {
			x.Bad = append(x.Bad, Bad{k.Sector, k.Count, k.What, k.Tries, k.Took.Milliseconds()})
		}
		if err := emit(x); err != nil {
			return err
		}
	}
	return s.d.Check() // a file that grew was not read whole
}

func (s *deviceSource) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.d.ReadAt(p, off)
	if n < len(p) && errors.Is(err, io.EOF) && off+int64(len(p)) <= padTo(s.d.Size(), s.d.Sector()) {
		clear(p[n:])
		return len(p), nil
	}
	return n, err
}
