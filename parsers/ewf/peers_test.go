package ewf

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

// needs skips where a peer is missing.
func needs(t *testing.T, tools ...string) {
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (Debian: ewf-tools, sleuthkit)", tool)
		}
	}
}

// save writes a set into a folder and returns its first file.
func (s *set) save(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i, f := range s.files {
		if err := os.WriteFile(filepath.Join(dir, "d."+extension('E', i+1)), f.b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "d.E01")
}

func said(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// What libewf says of ours: it verifies, it is EnCase 6's, and it holds the
// medium.
func TestAcceptedByLibewf(t *testing.T) {
	needs(t, "ewfverify", "ewfinfo", "ewfexport")
	mixed := append(noise(5<<20), bytes.Repeat([]byte("text of the medium\n"), 200_000)...)
	mixed = mixed[:len(mixed)/4096*4096]
	type shape struct {
		media           []byte
		level           Level
		sector, sectors int // bytes per sector, sectors per chunk
	}
	for name, c := range map[string]shape{
		"104 segments, odd tail": {noise(104<<20 + 512*3), None, 512, 64},
		"one sector":             {noise(512), Default, 512, 64},
		"one chunk":              {noise(32 << 10), Best, 512, 64},
		"zeros":                  {make([]byte, 3<<20), Default, 512, 64},
		"noise":                  {noise(9 << 20)[:3<<20], Fast, 512, 64},
		"chunks of 64 KiB":       {mixed[:len(mixed)-512], Fast, 512, 128},
		"chunks of 128 KiB":      {mixed[:len(mixed)-1024], Default, 512, 256},
		"chunks of 512 KiB":      {mixed[:len(mixed)-512*5], Best, 512, 1024},
		"sectors of 4096":        {mixed, Default, 4096, 8},
		"two groups":             {make([]byte, (tableEntries+3)*8<<10), Default, 512, 16},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && len(c.media) > 64<<20 {
				t.Skip("writes 100 MiB and more")
			}
			o := settings(c.media)
			o.Level, o.BytesPerSector, o.SectorsPerChunk = c.level, c.sector, c.sectors
			o.Sectors = int64(len(c.media) / c.sector)
			o.SegmentSize = max(MinSegment, int64(4*c.sector*c.sectors))
			s := writeAll(t, c.media, o, []SectorRun{{0, 1}})
			first := s.save(t)
			said(t, "ewfverify", "-q", "-d", "sha1", first)
			info := said(t, "ewfinfo", first)
			for _, want := range []string{"EnCase 6", "鑑識 太郎", "0 - 0 number: 1", "Nov 23 02:16:06 2026",
				fmt.Sprintf("Bytes per sector:\t%d\n", c.sector), fmt.Sprintf("Sectors per chunk:\t%d\n", c.sectors)} {
				if !strings.Contains(info, want) {
					t.Errorf("ewfinfo does not say %q:\n%s", want, info)
				}
			}
			if len(c.media) < 64<<20 {
				said(t, "ewfexport", "-q", "-u", "-f", "raw", "-t", first, first)
				if got, err := os.ReadFile(first + ".raw"); err != nil || !bytes.Equal(got, c.media) {
					t.Errorf("ewfexport gives %d bytes, not the medium: %v", len(got), err)
				}
			}
		})
	}
}

// The Sleuth Kit finds in ours what it finds in the image that ours was made
// from.
func TestAcceptedBySleuthKit(t *testing.T) {
	needs(t, "mmls", "fls", "img_stat")
	for _, c := range []struct {
		path string
		ask  [][]string
	}{
		{"images/ewf/plaso/image.E01", [][]string{{"fls", "-r"}}},
		{"images/ewf/ewf-forensic/nps-2010-emails.E01", [][]string{{"mmls"}, {"fls", "-r", "-o", "1"}}},
	} {
		path := corpus.Path(t, c.path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open([]Source{{path, bytes.NewReader(b), int64(len(b))}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		media := make([]byte, r.Size())
		if _, err := r.ReadAt(media, 0); err != nil {
			t.Fatal(err)
		}
		first := writeAll(t, media, settings(media), nil).save(t)
		for _, ask := range c.ask {
			want, got := said(t, ask[0], append(ask[1:], path)...), said(t, ask[0], append(ask[1:], first)...)
			if want == "" || want != got {
				t.Errorf("%s: %v says %q of its image, %q of ours", c.path, ask, want, got)
			}
		}
		if stat := said(t, "img_stat", first); !strings.Contains(stat, fmt.Sprintf("Size of data in bytes:\t%d\n", len(media))) {
			t.Errorf("img_stat: %s", stat)
		}
	}
}
