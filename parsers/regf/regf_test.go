package regf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t testing.TB, data []byte) *Hive {
	t.Helper()
	h, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// count walks all keys and values of a hive and reads the data of each value.
func count(h *Hive) (keys, values, bad int) {
	for range h.Check() {
		bad++
	}
	for k, err := range h.Keys() {
		if err != nil {
			bad++
			continue
		}
		keys++
		if _, err := k.Class(); err != nil {
			bad++
		}
		for v, err := range k.Values() {
			if err != nil {
				bad++
				continue
			}
			if _, err := v.Data(); err != nil {
				bad++
			}
			values++
		}
	}
	return
}

// The figures are those of reglookup 1.0.1 and regfinfo 20201007.
func TestSamples(t *testing.T) {
	for _, c := range []struct {
		name         string
		keys, values int
		written      uint64
	}{
		{"BCD", 132, 103, 132726537727906426},
		{"100_sub_keys.hiv", 101, 100, 132649609225223965},
		{"UNICODE_TESTS", 3, 22, 0},
	} {
		h := parse(t, read(t, "testdata/"+c.name))
		keys, values, bad := count(h)
		if keys != c.keys || values != c.values || bad != 0 || h.LastWritten != c.written {
			t.Errorf("%s: %d keys, %d values, %d errors, written %d; want %d, %d, 0, %d", c.name, keys, values, bad, h.LastWritten, c.keys, c.values, c.written)
		}
	}
}

func TestNamesAndTypes(t *testing.T) {
	h := parse(t, read(t, "testdata/UNICODE_TESTS"))
	k, err := h.Lookup(`\ascii_key_NAME0`)
	if err != nil {
		t.Fatal(err)
	}
	if k.Path() != "ASCII_KEY_NAME0" || k.LastWritten/10000000 != 13091639817 {
		// 2015-11-10 14:36:57 by reglookup
		t.Errorf("path %q, last written %d", k.Path(), k.LastWritten)
	}
	v, err := k.Value("ASCII_VALUE_NAME8")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Texts(); err != nil || !slices.Equal(got, []string{"ASCII_MULTI_VALUE1", "ASCII_MULTI_VALUE2", "ASCII_MULTI_VALUE3"}) {
		t.Errorf("multi string %q, %v", got, err)
	}
	// 48 00 7e 00 91 25 f4 00 ab 00: the name is UTF-16.
	v, err = k.Value("UNICODE_JUMBLE_{H~\u2591\u00f4\u00ab}3")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := v.Text(); got != "ASCII_VALUE_VALUE2" || v.Type != String {
		t.Errorf("value of a name in UTF-16: %q", got)
	}
	if _, err := k.Value("nothing"); !errors.Is(err, ErrNoValue) {
		t.Errorf("a value that is not there: %v", err)
	}
	if _, err := h.Lookup(`ASCII_KEY_NAME0\nothing`); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key that is not there: %v", err)
	}
	if d, err := k.Descriptor(); err != nil || len(d) < 20 || d[0] != 1 {
		t.Errorf("descriptor %x, %v", d, err)
	}
	bcd := parse(t, read(t, "testdata/BCD"))
	if k, err = bcd.Lookup("Description"); err != nil {
		t.Fatal(err)
	}
	if v, err = k.Value("TreatAsSystem"); err != nil || !v.Resident {
		t.Fatal(err)
	}
	if n, ok := v.Uint(); !ok || n != 1 {
		t.Errorf("number %d, %v", n, ok)
	}
}

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"a\x00\x00\x00b\x00c\x00\x00\x00\x00\x00", []string{"a", "bc"}},
		{"a\x00\x00\x00\x00\x00b\x00", []string{"a", "b"}}, // an empty text hides nothing
		{"a\x00b\x00", []string{"ab"}},
		{"a\x00b", []string{"a"}},
	} {
		if got := texts([]byte(c.in)); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	if _, err := Parse([]byte("CREG\x00\x00\x01\x00")); !errors.Is(err, ErrCREG) {
		t.Errorf("Windows 9x: %v", err)
	}
	for _, in := range [][]byte{nil, []byte("regf"), []byte("MZ"), make([]byte, 8192)} {
		if _, err := Parse(in); err == nil {
			t.Errorf("%.8q: no error", in)
		}
	}
	if _, err := Parse(read(t, "testdata/ntuser.dat.log2")); err == nil {
		t.Error("a transaction log was read as a hive")
	}
}

// Counts on every hive of the corpus. Where the other readers are wrong or
// stop, the reason stands beside our figure.
func TestCorpusCounts(t *testing.T) {
	other := map[string][3]int{
		// Only the header of the second bin is damaged: all of SAM is there.
		"EricZimmerman+Registry/SAMBadHBinHeader": {68, 73, 1},
		// Cut in the middle; reglookup gives up a list at its first loss.
		"derived/NTUSER-WIN7_truncated.DAT": {724, 1192, -1},
		// Two keys lead to one subkey; readers without memory count it twice.
		"msuhanov+yarp/BadSubkeyHive": {6, 0, 1},
		// reglookup drops the key whose list of values is lost; libregf has it.
		"msuhanov+yarp/DeletedDataHiveTruncated": {2, 0, 1},
		// Lists that loop: the others do not end or count keys again.
		"puffyCid+artemis/win10/NTUSER_Bad.DAT": {665, 1079, -1},
	}
	for _, row := range corpus.Truth(t, "registry") {
		if row["magic"] != "regf" || row["state"] == "transaction log" {
			continue
		}
		name := strings.TrimPrefix(row["file"], "registry/")
		t.Run(name, func(t *testing.T) {
			h := parse(t, read(t, corpus.Path(t, "artifacts/"+row["file"])))
			keys, values, bad := count(h)
			want, special := other[name]
			if !special {
				want[0], _ = strconv.Atoi(row["reglookup_keys"])
				want[1], _ = strconv.Atoi(row["reglookup_values"])
				if row["state"] == "damaged or odd" || row["libregf_errors"] != "" || name == "msuhanov+yarp/TruncatedNameHive" || name == "msuhanov+yarp/TruncatedPairHive" {
					want[2] = -1
				}
			}
			if keys != want[0] || values != want[1] || want[2] >= 0 && bad != want[2] || want[2] < 0 && bad == 0 && row["state"] != "clean" {
				t.Errorf("%d keys, %d values, %d errors; want %v", keys, values, bad, want)
			}
			if h.Dirty() != (row["hdr_state"] == "dirty") && h.ChecksumValid {
				t.Errorf("dirty: %v, the table says %s", h.Dirty(), row["hdr_state"])
			}
		})
	}
}

func TestCorpusOtherFormats(t *testing.T) {
	for _, name := range []string{"SYSTEM.DAT", "USER.DAT"} {
		if _, err := Parse(read(t, corpus.Path(t, "artifacts/registry/log2timeline+dfwinreg/"+name))); !errors.Is(err, ErrCREG) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBigData(t *testing.T) {
	h := parse(t, read(t, corpus.Path(t, "artifacts/registry/msuhanov+yarp/BigDataHive")))
	k, err := h.Lookup("key_with_bigdata")
	if err != nil {
		t.Fatal(err)
	}
	for v, err := range k.Values() {
		if err != nil {
			t.Fatal(err)
		}
		// The sizes and the bytes are stated by the author of the hive and
		// shown by reglookup.
		want := map[string][]byte{"": bytes.Repeat([]byte("1"), 16345), "v": bytes.Repeat([]byte("2"), 81725)}[v.Name]
		if got, err := v.Data(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("value %q: %d bytes, %v", v.Name, len(got), err)
		}
		for _, i := range []int64{0, 16343, 16344, int64(len(want)) - 1} {
			if at := v.Place(i); h.Bytes()[at] != want[i] || at == v.Offset {
				t.Errorf("value %q: byte %d at %#x", v.Name, i, at)
			}
		}
	}
}

// Either nothing is lost or something is reported.
func TestTruncation(t *testing.T) {
	for _, name := range []string{"BCD", "100_sub_keys.hiv", "UNICODE_TESTS"} {
		whole := read(t, "testdata/"+name)
		keys, values, _ := count(parse(t, whole))
		cuts := []int{}
		for at := 0; at <= len(whole); at += 512 {
			cuts = append(cuts, at-1, at, at+1)
		}
		rnd := rand.New(rand.NewSource(1))
		for range 500 {
			cuts = append(cuts, rnd.Intn(len(whole)))
		}
		for _, cut := range cuts {
			if cut < 0 || cut >= len(whole) {
				continue
			}
			h, err := Parse(whole[:cut])
			if err != nil {
				continue
			}
			if k, v, bad := count(h); (k < keys || v < values) && bad == 0 {
				t.Errorf("%s cut at %d: %d of %d keys, %d of %d values, loss is silent", name, cut, k, keys, v, values)
			}
		}
	}
}

// A block of zeros among the cells never makes keys vanish without a word.
func TestBadBlock(t *testing.T) {
	for _, name := range []string{"BCD", "100_sub_keys.hiv"} {
		whole := read(t, "testdata/"+name)
		keys, values, _ := count(parse(t, whole))
		for at := BaseSize; at < len(whole); at += 512 {
			hurt := slices.Clone(whole)
			clear(hurt[at : at+512])
			if k, v, bad := count(parse(t, hurt)); (k < keys || v < values) && bad == 0 {
				t.Errorf("%s with zeros at %#x: %d of %d keys, %d of %d values, loss is silent", name, at, k, keys, v, values)
			}
		}
	}
}

// Version 1.1 has eight bytes in front of a cell's content. No hive of it is
// at hand, so one is made from a hive of version 1.3 with one key.
func TestOldCells(t *testing.T) {
	data := make([]byte, 8192)
	copy(data, "regf")
	le := binary.LittleEndian
	le.PutUint32(data[20:], 1)
	le.PutUint32(data[24:], 1)
	le.PutUint32(data[36:], 32)
	le.PutUint32(data[40:], 4096)
	le.PutUint32(data[508:], checksum(data))
	bin := data[BaseSize:]
	copy(bin, "hbin")
	le.PutUint32(bin[8:], 4096)
	nk := bin[32:]
	le.PutUint32(nk, 0xFFFFFFA0) // 96 bytes in use
	copy(nk[8:], "nk")
	le.PutUint16(nk[10:], KeyHiveEntry|KeyCompName)
	le.PutUint16(nk[8+72:], 4)
	copy(nk[8+76:], "root")
	le.PutUint32(bin[128:], 4096-128)
	k, err := parse(t, data).Root()
	if err != nil || k.Name != "root" {
		t.Errorf("%v, %v", k, err)
	}
}

func BenchmarkWalk(b *testing.B) {
	for _, name := range []string{"SYSTEM", "SYSTEM_B"} {
		b.Run(name, func(b *testing.B) {
			data := read(b, corpus.Path(b, "artifacts/registry/mkorman90+regipy/"+name))
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				h := parse(b, data)
				for k, err := range h.Keys() {
					if err != nil {
						b.Fatal(err)
					}
					for _, err := range k.Values() {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			}
		})
	}
}
