package ntfs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// truthRow is a line of the tables that the volume builder writes.
type truthRow struct {
	record             uint64
	kind, path, stream string
	size               int64
	sha256, flags      string
	times              [3]string
}

func (r truthRow) key() string { return fmt.Sprintf("%d\x00%s\x00%s", r.record, r.path, r.stream) }

func readTruth(t testing.TB, name string) []truthRow {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []truthRow
	for _, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n")[1:] {
		f := strings.Split(line, "\t")
		r := truthRow{kind: f[1], path: f[2], stream: f[3], sha256: f[5], flags: f[6], times: [3]string{f[7], f[8], f[9]}}
		r.record, _ = strconv.ParseUint(f[0], 10, 64)
		r.size, _ = strconv.ParseInt(f[4], 10, 64)
		out = append(out, r)
	}
	return out
}

// escapeUnits writes names as the tables do.
func escapeUnits(b []byte) string {
	var s strings.Builder
	for i := 0; i+1 < len(b); i += 2 {
		u := binary.LittleEndian.Uint16(b[i:])
		if u >= 0x20 && u < 0x7F && u != '\\' {
			s.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&s, "\\u%04X", u)
		}
	}
	return s.String()
}

func openImage(t testing.TB, name string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, st.Size()
}

// builtVolume is a volume made by build-ntfs-volume with its tables beside it,
// named by KANSHIKI_NTFS_SMALL (several may be given, with ":" between).
func builtVolumes(t testing.TB) []string {
	v := os.Getenv("KANSHIKI_NTFS_SMALL")
	if v == "" {
		t.Skip("no built volume: KANSHIKI_NTFS_SMALL names one made by build-ntfs-volume")
	}
	return strings.Split(v, ":")
}

func TestBuiltVolume(t *testing.T) {
	for _, name := range builtVolumes(t) {
		t.Run(name[strings.LastIndexByte(name, '/')+1:], func(t *testing.T) { compareTruth(t, name) })
	}
}

func compareTruth(t *testing.T, name string) {
	f, size := openImage(t, name)
	v, err := Open(f, size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Scan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]truthRow{}
	for _, r := range readTruth(t, name+".truth.tsv") {
		want[r.key()] = r
	}
	rows, wof := len(want), 0
	var missing, extra, sizes, hashes, times int
	show := func(n *int, format string, args ...any) {
		if *n++; *n <= 5 {
			t.Errorf(format, args...)
		}
	}
	first := uint64(1 << 62)
	for _, r := range want {
		first = min(first, r.record)
	}
	for file := range c.Files() {
		if file.State() != Live || file.Ref().Record() < first {
			continue
		}
		for l := range file.Links() {
			p, proof := l.Path(nil)
			path := escapeUnits(p)
			if strings.HasPrefix(path, "$Extend/") {
				continue
			}
			if proof != ProofLive {
				t.Errorf("%s: proof %v", path, proof)
			}
			n := 0
			check := func(key string, s *Stream) {
				r, ok := want[key]
				if !ok {
					show(&extra, "extra: %.200q", key)
					return
				}
				delete(want, key)
				info, _ := file.Info()
				for i, got := range []uint64{info.Created, info.Modified, info.Accessed} {
					if r.times[i] != "-" && r.times[i] != strconv.FormatUint(got, 10) {
						show(&times, "%.200s: time %d is %d, want %s", path, i, got, r.times[i])
					}
				}
				if s == nil {
					return
				}
				if s.Size() != r.size {
					show(&sizes, "%.200s:%s: size %d, want %d", path, r.stream, s.Size(), r.size)
				}
				if r.sha256 == "-" {
					return
				}
				if strings.Contains(r.flags, "wof=") && r.stream == "" {
					wof++
				}
				if got := hashStream(t, *s); got != r.sha256 {
					show(&hashes, "%.200s:%s: content %s, want %s (%s)", path, r.stream, got, r.sha256, r.flags)
				}
			}
			for s := range file.Streams() {
				n++
				check(truthRow{record: file.Ref().Record(), path: path, stream: escapeUnits(s.Name())}.key(), &s)
			}
			key := truthRow{record: file.Ref().Record(), path: path}.key()
			if _, ok := want[key]; ok && (n == 0 || file.IsDir()) {
				check(key, nil)
			}
		}
	}
	for key := range want {
		show(&missing, "missing: %.200q", key)
	}
	t.Logf("%d rows: %d missing, %d extra, %d wrong sizes, %d wrong hashes, %d wrong times; %d of WOF; %+v",
		rows, missing, extra, sizes, hashes, times, wof, c.Coverage())
	for i, d := range append(v.Findings(), c.Damage()...) {
		if i < 10 {
			t.Logf("damage: %v", d.Error())
		}
	}
	compareDeleted(t, c, name+".deleted.tsv")
}

// compareDeleted checks the paths of entries that were deleted late, so that
// nothing has used their records since.
func compareDeleted(t *testing.T, c *Catalog, name string) {
	var n, paths, sizes, whole, lost, lies int
	for _, r := range readTruth(t, name) {
		if !strings.Contains(r.flags, ",B") && !strings.Contains(r.flags, "B,") && r.flags != "B" || strings.Contains(r.flags, "reused") {
			continue
		}
		n++
		f, ok := c.File(r.record)
		found := false
		if ok {
			for l := range f.Links() {
				p, proof := l.Path(nil)
				found = found || escapeUnits(p) == r.path && proof <= ProofPlusOne
			}
		}
		if !found || f.State() != Deleted {
			if paths++; paths < 5 {
				t.Errorf("deleted %.200s (record %d): not found, state %v", r.path, r.record, f.State())
			}
			continue
		}
		for s := range f.Streams() {
			if escapeUnits(s.Name()) != r.stream {
				continue
			}
			if s.Size() != r.size {
				if sizes++; sizes < 5 {
					t.Errorf("deleted %.200s:%s: size %d, want %d", r.path, r.stream, s.Size(), r.size)
				}
			}
			if r.sha256 == "-" {
				continue
			}
			free := true
			for _, m := range s.Remnants() {
				free = free && m.Fate == Free
			}
			switch equal := hashStream(t, s) == r.sha256; {
			case free && equal:
				whole++
			case free:
				if lies++; lies < 5 {
					t.Errorf("deleted %.200s:%s: told to be whole, and is not", r.path, r.stream)
				}
			case !equal:
				lost++
			}
		}
	}
	compareEarly(t, c, name)
	t.Logf("%d late deleted rows: %d wrong paths, %d wrong sizes; %d whole and equal, %d told to be lost, %d wrongly told to be whole", n, paths, sizes, whole, lost, lies)
}

// compareEarly looks at every deleted row whose entry is still there: what is
// told to be whole must have the content that was written.
func compareEarly(t *testing.T, c *Catalog, name string) {
	var whole, other, lies int
	for _, r := range readTruth(t, name) {
		f, ok := c.File(r.record)
		if !ok || f.State() != Deleted || r.sha256 == "-" {
			continue
		}
		for l := range f.Links() {
			p, proof := l.Path(nil)
			if proof > ProofPlusOne || escapeUnits(p) != r.path {
				continue
			}
			for s := range f.Streams() {
				if escapeUnits(s.Name()) != r.stream || s.Size() != r.size {
					continue
				}
				free := true
				for _, m := range s.Remnants() {
					free = free && m.Fate == Free
				}
				switch equal := hashStream(t, s) == r.sha256; {
				case !free:
					other++
				case equal:
					whole++
				default:
					if lies++; lies < 5 {
						t.Errorf("deleted %.200s:%s: told to be whole, and is not (%s)", r.path, r.stream, r.flags)
					}
				}
			}
		}
	}
	t.Logf("all deleted rows that are there: %d whole and equal, %d told to be in doubt, %d wrongly told to be whole", whole, other, lies)
}

func hashStream(t *testing.T, s Stream) string {
	rd, err := s.Open(0)
	if err != nil {
		return err.Error()
	}
	h := sha256.New()
	if _, err := rd.WriteTo(h); err != nil {
		return err.Error()
	}
	return hex.EncodeToString(h.Sum(nil))
}
