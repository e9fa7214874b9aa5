package timeline

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"kanshiki/forensics/custody"
	"kanshiki/forensics/evidence"
)

// BenchmarkBuild reads the disk that KANSHIKI_DISK names, with every artifact.
func BenchmarkBuild(b *testing.B) {
	disk := os.Getenv("KANSHIKI_DISK")
	if disk == "" {
		b.Skip("KANSHIKI_DISK names no disk image (../shared/scripts/assemble-windows-disk makes one)")
	}
	st, err := os.Stat(disk)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(st.Size())
	b.ReportAllocs()
	var events int64
	for b.Loop() {
		ev, err := evidence.Open(b.Context(), disk, evidence.Options{Exhibit: "disk"})
		if err != nil {
			b.Fatal(err)
		}
		c, err := custody.Open(filepath.Join(b.TempDir(), "case"))
		if err != nil {
			b.Fatal(err)
		}
		r, err := Build(b.Context(), c, []*evidence.Evidence{ev}, Options{Now: time.Unix(1, 0), Tool: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		events += r[0].Totals.Events
		c.Close()
		ev.Close()
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
