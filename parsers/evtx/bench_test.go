//go:build unix

package evtx

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
)

// BenchmarkCorpus reads real logs of the ordinary kind: few remnants, all
// fields read as text of the values is.
func BenchmarkCorpus(b *testing.B) {
	for _, name := range []string{
		"evtx/omerbenamram+evtx/security.evtx",
		"evtx/log2timeline+plaso/evtx/System.evtx",
		"evtx/puffyCid+artemis/Security.evtx",
	} {
		b.Run(name[strings.LastIndexByte(name, '/')+1:], func(b *testing.B) {
			data, err := os.ReadFile(corpus.Path(b, "artifacts/"+name))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			n, total, start := 0, 0, cpu()
			for b.Loop() {
				n = 0
				for r := range open(b, data).Records() {
					if r != nil {
						n++
					}
				}
				total += n
			}
			b.ReportMetric(float64(total)/(cpu()-start).Seconds(), "records/cpu-s")
		})
	}
}

// cpu is the processor time of this process, which other load does not change
// as much as the wall clock.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
