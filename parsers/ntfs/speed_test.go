package ntfs

import (
	"context"
	"os"
	"runtime"
	"testing"
)

// BenchmarkLarge scans the volume that KANSHIKI_NTFS_LARGE names
// (build-ntfs-volume --profile large) and builds every path.
func BenchmarkLarge(b *testing.B) {
	name := os.Getenv("KANSHIKI_NTFS_LARGE")
	if name == "" {
		b.Skip("no large volume: KANSHIKI_NTFS_LARGE names one")
	}
	f, size := openImage(b, name)
	v, err := Open(f, size, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("scan", func(b *testing.B) {
		b.SetBytes(v.mftSize)
		b.ReportAllocs()
		for b.Loop() {
			c, err := v.Scan(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/float64(c.Len()), "heapB/record")
		}
	})
	c, err := v.Scan(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("again", func(b *testing.B) { // a shadow copy in which nothing of the $MFT has changed
		for b.Loop() {
			if _, err := v.ScanFrom(context.Background(), c, func(func(int64, int64) bool) {}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("paths", func(b *testing.B) {
		n := 0
		for b.Loop() {
			var buf []byte
			n = 0
			for f := range c.Files() {
				for l := range f.Links() {
					buf, _ = l.Path(buf[:0])
					n++
				}
			}
		}
		b.ReportMetric(float64(n), "paths")
	})
}
