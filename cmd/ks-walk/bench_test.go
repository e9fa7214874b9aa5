package main

import (
	"io"
	"os"
	"testing"
)

// BenchmarkList lists the volume that KANSHIKI_NTFS_LARGE names as CSV.
func BenchmarkList(b *testing.B) {
	name := os.Getenv("KANSHIKI_NTFS_LARGE")
	if name == "" {
		b.Skip("no large volume: KANSHIKI_NTFS_LARGE names one")
	}
	for b.Loop() {
		if err := run(b.Context(), []string{"list", "--format", "csv", name}, io.Discard, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
