package registry

import (
	"bytes"
	"context"
	"os"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
)

func BenchmarkKeys(b *testing.B) {
	data, err := os.ReadFile(corpus.Path(b, "artifacts/registry/mkorman90+regipy/SYSTEM"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		in := &artifact.Input{Name: "SYSTEM", Source: "SYSTEM", Size: int64(len(data)), R: bytes.NewReader(data), Machine: &artifact.Machine{},
			Report: func(problem.Problem) {}, Cover: func(coverage.Fact) {}}
		if err := readKeys(context.Background(), in, func(*event.Event) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
