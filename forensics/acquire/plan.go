package acquire

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"syscall"

	"kanshiki/parsers/ewf"
	"kanshiki/parsers/zseek"
)

// Hashes are the digests of the medium that can be asked for.
var Hashes = []string{"md5", "sha1", "sha256"}

// Levels are the words for how hard is compressed.
var Levels = []string{"fast", "default", "best"}

// complete sets what the format decides, and refuses what it cannot do.
func complete(p *Plan) error {
	if slices.ContainsFunc(p.Hashes, func(h string) bool { return !slices.Contains(Hashes, h) }) {
		return fmt.Errorf("no digest among %v", p.Hashes)
	}
	slices.Sort(p.Hashes)
	p.Encoder = encoderOf(p.Format)
	switch p.Format {
	case E01:
		if p.Level == "" {
			p.Level = "default"
		}
		if p.SegmentSize == 0 {
			p.SegmentSize = defaultSegment
		}
		p.Unit = ewf.ChunkSectors(p.Size, p.Sector) * p.Sector
	case Zst:
		if p.Level == "" {
			p.Level = "fast"
		}
		if p.SegmentSize != 0 {
			return errors.New("a zst is one file; segments are for E01 and raw")
		}
		p.Unit = min(zseek.FrameSize(p.Size), batchSize) // a batch holds whole frames
	case Raw:
		if p.Level != "" {
			return errors.New("raw is not compressed")
		}
		if p.SegmentSize%int64(p.Sector) != 0 {
			return fmt.Errorf("segments of raw are whole sectors of %d bytes", p.Sector)
		}
		p.Unit = batchSize
	default:
		return fmt.Errorf("no format %q; there are %v", p.Format, Formats)
	}
	return nil
}

// encoderOf names the library that compresses, with its version: another
// version makes other bytes of the same medium.
func encoderOf(format string) string {
	if format == Raw {
		return "none"
	}
	const module = "github.com/klauspost/compress"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				return module + " " + m.Version
			}
		}
	}
	return module
}

// NoRoom tells whether an error says that the disk of the image is full.
func NoRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || diskFull(err) }
