package vmdk_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kanshiki/parsers/container"
	"kanshiki/parsers/vmdk"
)

func text(cid, parent, more string) []byte {
	return fmt.Appendf(nil, "# Disk DescriptorFile\nversion=1\nCID=%s\nparentCID=%s\ncreateType=\"custom\"\n%s\n", cid, parent, more)
}

func kinds(d *vmdk.Disk) map[container.Kind]int64 {
	out := map[container.Kind]int64{}
	for r := range d.Ranges(0, d.Size()) {
		out[r.Kind] += r.Len
	}
	return out
}

// A parent that is missing, changed or another leaves unknown what the
// snapshot does not store; what it stores is given.
func TestParentThatCannotBeUsed(t *testing.T) {
	for what, change := range map[string]func(m memory){
		"missing": func(m memory) { delete(m, "mono.vmdk") },
		"changed": func(m memory) {
			m["mono.vmdk"] = bytes.Replace(m["mono.vmdk"], []byte("CID="), []byte("CID=1"), 1)
		},
		"its own": func(m memory) {
			m["snap.vmdk"] = bytes.Replace(m["snap.vmdk"], []byte(`Hint="mono.vmdk"`), []byte(`Hint="snap.vmdk"`), 1)
		},
		"no disk": func(m memory) { m["mono.vmdk"] = []byte("nothing") },
	} {
		m := samples(t, "snap.vmdk", "mono.vmdk")
		change(m)
		d, err := m.disk("snap.vmdk")
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		// qemu wrote into the grains at 0, 1, 32 and 528 (of 64 KiB).
		if k := kinds(d); k[container.Data]+k[container.Zero] != 4<<16 || k[container.Unknown] != d.Size()-4<<16 {
			t.Errorf("%s: %v", what, k)
		}
		if len(d.Missing()) != 1 || doubts(d) == 0 || strings.Join(d.Files(), " ") != "snap.vmdk" {
			t.Errorf("%s: missing %v, files %v, problems %v", what, d.Missing(), d.Files(), d.Problems())
		}
	}
}

func TestChain(t *testing.T) {
	chain := func(parents int) memory {
		m := memory{"base.bin": bytes.Repeat([]byte("base"), 128)}
		m["0.vmdk"] = text("00000001", "ffffffff", `RW 1 FLAT "base.bin" 0`)
		for i := 1; i <= parents; i++ {
			m[fmt.Sprintf("%d.vmdk", i)] = text(fmt.Sprintf("%08x", i+1), fmt.Sprintf("%08x", i),
				fmt.Sprintf("parentFileNameHint=\"%d.vmdk\"\nRW 1 VMFSSPARSE \"delta.bin\"", i-1))
		}
		m["delta.bin"] = esx(make([]byte, 512), 1, nil)
		return m
	}
	d, err := chain(32).disk("32.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 512)
	if _, err := d.ReadAt(b, 0); err != nil || !strings.HasPrefix(string(b), "basebase") {
		t.Errorf("32 parents: %v, %q", err, b[:8])
	}
	if d, err = chain(33).disk("33.vmdk"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadAt(b, 0); err == nil {
		t.Error("33 parents are read")
	}
	loop := chain(2)
	loop["0.vmdk"] = text("00000001", "00000003", "parentFileNameHint=\"2.vmdk\"\nRW 1 VMFSSPARSE \"delta.bin\"")
	if d, err = loop.disk("2.vmdk"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadAt(b, 0); err == nil || !strings.Contains(fmt.Sprint(d.Problems()), "its own parent") {
		t.Errorf("loop: %v, %v", err, d.Problems())
	}
}

func TestExtents(t *testing.T) {
	flat := bytes.Repeat([]byte("flat"), 4*128)
	m := memory{"a.bin": flat, "表.bin": flat[:512], "disk.vmdk": text("1", "ffffffff", strings.Join([]string{
		`RW 2 FLAT "C:\elsewhere\a.bin" 1`, `NOACCESS 3 ZERO`, `rw 4 vmfs "../../a.bin"`, `RW 2 FLAT "gone.bin" 0`,
		`RW 1 VMFSRDM "lun.bin"`}, "\n"))}
	d, err := m.disk("disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	var got []container.Range
	for r := range d.Ranges(0, d.Size()) {
		r.Err = nil
		got = append(got, r)
	}
	want := "[{0 1024 data <nil>} {1024 1536 zero <nil>} {2560 2048 data <nil>} {4608 1536 unknown <nil>}]"
	if fmt.Sprint(got) != want {
		t.Errorf("ranges %v, want %s", got, want)
	}
	if len(d.Missing()) != 2 {
		t.Errorf("missing %v", d.Missing())
	}
	// Shift_JIS has a backslash as the second byte of 表.
	for _, key := range []string{`encoding=`, `ddb.encoding = `} {
		m["sjis.vmdk"] = append([]byte("# Disk DescriptorFile\r\n"+key+"\"Shift_JIS\"\r\nCID=1\r\nRW 1 FLAT \""), "\x95\x5c.bin\" 0\r\n"...)
		if _, err := m.disk("sjis.vmdk"); err != nil {
			t.Errorf("name in Shift_JIS: %v", err)
		}
	}
}

func TestRefused(t *testing.T) {
	sesparse := append([]byte("\xbe\xba\xfe\xca\x00\x00\x00\x00"), make([]byte, 4096)...)
	for what, c := range map[string]struct {
		m           memory
		unsupported bool
	}{
		"SESPARSE by its type":      {memory{"d": text("1", "ffffffff", `RW 1 SESPARSE "x"`)}, true},
		"SESPARSE by its signature": {memory{"d": sesparse}, true},
		"encrypted":                 {memory{"d": text("1", "ffffffff", "encryptionKeys=\"vmware:key/fqid/a/b\"\nRW 1 ZERO")}, true},
		"encrypted by a filter":     {memory{"d": text("1", "ffffffff", "RW 1 ZERO\nddb.iofilters = \"vmwarevmcrypt\"")}, true},
		"SESPARSE as an extent":     {memory{"d": text("1", "ffffffff", "RW 1 ZERO\nRW 1 SPARSE \"x\""), "x": sesparse}, true},
		"nothing there":             {memory{"d": text("1", "ffffffff", `RW 1 FLAT "x" 0`)}, false},
		"no extent":                 {memory{"d": text("1", "ffffffff", ``)}, false},
		"too many sectors":          {memory{"d": text("1", "ffffffff", `RW 9007199254740993 ZERO`)}, false},
		"sum too large":             {memory{"d": text("1", "ffffffff", "RW 9007199254740992 ZERO\nRW 1 ZERO")}, false},
		"extent without access":     {memory{"d": text("1", "ffffffff", "RW 1 ZERO\nRX 1 FLAT \"x\"")}, false},
		"extent without quote":      {memory{"d": text("1", "ffffffff", `RW 1 FLAT "x`)}, false},
	} {
		_, err := c.m.disk("d")
		if err == nil || errors.Is(err, vmdk.ErrUnsupported) != c.unsupported {
			t.Errorf("%s: %v", what, err)
		}
	}
}
