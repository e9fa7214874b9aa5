package regf

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

const registry = "artifacts/registry/"

func TestReplayCorpus(t *testing.T) {
	const regipy, yarp = registry + "mkorman90+regipy/", registry + "msuhanov+yarp/"
	for _, c := range []struct {
		name               string
		files              []string
		pages              int
		keys, values, more int // after, and paths that were not there before
		reason             string
	}{
		// 315 pages are stated by upstream. The counts are reglookup's on a
		// hive to which another program wrote the entries in the order of
		// their numbers: LOG1 2107-2110, LOG2 2111-2130. (Upstream's 2,458
		// new keys come from writing LOG2 first.)
		{"new format, two logs", []string{regipy + "SYSTEM_B", regipy + "SYSTEM_B.LOG1", regipy + "SYSTEM_B.LOG2"}, 315, 35595, 78901, 2472, ""},
		{"logs given in the other order", []string{regipy + "SYSTEM_B", regipy + "SYSTEM_B.LOG2", regipy + "SYSTEM_B.LOG1"}, 315, 35595, 78901, 2472, ""},
		// 132 pages by upstream; 527 differences there are 521 new keys and
		// 6 that are gone. The second log is older than the hive.
		{"new format, an old second log", []string{regipy + "transactions_NTUSER.DAT", regipy + "transactions_ntuser.dat.log1", regipy + "transactions_ntuser.dat.log2"}, 132, 3105, 4695, 521, ""},
		{"old format", []string{yarp + "OldDirtyHive/OldDirtyHive", yarp + "OldDirtyHive/OldDirtyHive.LOG1", yarp + "OldDirtyHive/OldDirtyHive.LOG2"}, 64, 5003, 1, 1, ""},
		{"base block from the log", []string{yarp + "BadBaseBlockHive/BadBaseBlockHive", yarp + "BadBaseBlockHive/BadBaseBlockHive.LOG1"}, 64, 5003, 1, 1, ""},
		{"log with a bad base block", []string{yarp + "BadLogHive1/BadLogHive", yarp + "BadLogHive1/BadLogHive.LOG1"}, 0, 5003, 0, 0, "no usable log"},
		{"log without a dirty vector", []string{yarp + "BadLogHive2/BadLogHive", yarp + "BadLogHive2/BadLogHive.LOG1"}, 0, 5003, 0, 0, "no log that belongs"},
		{"clean hive", []string{registry + "log2timeline+dfwinreg/NTUSER.DAT", registry + "log2timeline+dfwinreg/NTUSER.DAT.LOG"}, 0, 1597, 2310, 0, "clean"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var files [][]byte
			for _, f := range c.files {
				files = append(files, read(t, corpus.Path(t, f)))
			}
			r, err := Apply(files[0], files[1:]...)
			if err != nil {
				t.Fatal(err)
			}
			paths := map[string]bool{}
			for k, err := range r.Before.Keys() {
				if err == nil {
					paths[k.Path()] = true
				}
			}
			more := 0
			for k, err := range r.After.Keys() {
				if err == nil && !paths[k.Path()] {
					more++
				}
			}
			keys, values, bad := count(r.After)
			if r.Pages != c.pages || keys != c.keys || values != c.values || more != c.more || bad != 0 {
				t.Errorf("%d pages, %d keys, %d values, %d new keys, %d errors; want %d, %d, %d, %d, 0: %+v", r.Pages, keys, values, more, bad, c.pages, c.keys, c.values, c.more, r.Logs)
			}
			if (r.Reason == "") != (c.reason == "") || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("reason %q, want %q", r.Reason, c.reason)
			}
			if r.Reason == "" && r.After.Dirty() {
				t.Error("the hive is still dirty after its replay")
			}
		})
	}
}

func TestReplayOldFormatKeys(t *testing.T) {
	dir := registry + "msuhanov+yarp/OldDirtyHive/OldDirtyHive"
	r, err := Apply(read(t, corpus.Path(t, dir)), read(t, corpus.Path(t, dir+".LOG1")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.After.Lookup(`key_with_many_subkeys\5000\find_me_in_log`); err != nil {
		t.Errorf("the key in the log: %v", err)
	}
	if _, err := r.After.Lookup(`key_with_many_subkeys\1`); !errors.Is(err, ErrNoKey) {
		t.Errorf("the key that the log removes: %v", err)
	}
	if _, err := r.Before.Lookup(`key_with_many_subkeys\1`); err != nil {
		t.Errorf("the same before: %v", err)
	}
}

func TestBaseBlockFromLog(t *testing.T) {
	dir := registry + "msuhanov+yarp/BadBaseBlockHive/BadBaseBlockHive"
	r, err := Apply(read(t, corpus.Path(t, dir)), read(t, corpus.Path(t, dir+".LOG1")))
	if err != nil {
		t.Fatal(err)
	}
	if !r.BaseRecovered || r.After.Minor != 3 || r.Before.Minor != 1 || !r.After.ChecksumValid {
		t.Errorf("recovered %v: %+v", r.BaseRecovered, r.After.Base)
	}
}

// The hashes of a log that Windows wrote.
func TestEntries(t *testing.T) {
	l, err := ParseLog(read(t, "testdata/ntuser.dat.log2"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range l.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if e.Sequence != 562 || len(e.Pages) != 9 || e.BinsSize != 761856 {
			t.Errorf("entry %d: %d pages, bins of %d bytes", e.Sequence, len(e.Pages), e.BinsSize)
		}
	}
	if n != 1 {
		t.Errorf("%d entries", n)
	}
	hurt := slices.Clone(l.data)
	hurt[2000] ^= 1
	l, _ = ParseLog(hurt)
	for _, err := range l.Entries() {
		if err == nil || !strings.Contains(err.Error(), "hash of its pages") {
			t.Errorf("a changed page: %v", err)
		}
	}
}

// makeLog writes a log of the new format, whose entries set one page each.
func makeLog(base []byte, seq uint32, pages ...[]byte) []byte {
	le := binary.LittleEndian
	out := slices.Clone(base[:512])
	le.PutUint32(out[4:], seq)
	le.PutUint32(out[8:], seq)
	le.PutUint32(out[28:], NewLog)
	le.PutUint32(out[508:], checksum(out))
	for i, p := range pages {
		e := make([]byte, 512+len(p))
		copy(e, "HvLE")
		le.PutUint32(e[4:], uint32(len(e)))
		le.PutUint32(e[12:], seq+uint32(i))
		le.PutUint32(e[16:], le.Uint32(base[40:]))
		le.PutUint32(e[20:], 1)
		le.PutUint32(e[44:], uint32(len(p)))
		copy(e[48:], p)
		le.PutUint64(e[24:], marvin32(e[40:]))
		le.PutUint64(e[32:], marvin32(e[:32]))
		out = append(out, e...)
	}
	return out
}

// What Windows does with numbers that do not follow each other.
func TestReplayOrder(t *testing.T) {
	hive := read(t, "testdata/100_sub_keys.hiv")
	binary.LittleEndian.PutUint32(hive[4:], 11)
	binary.LittleEndian.PutUint32(hive[8:], 10)
	binary.LittleEndian.PutUint32(hive[508:], checksum(hive))
	page := func(last byte) []byte { // the first page, told apart by the spare field of the bin
		p := slices.Clone(hive[BaseSize : BaseSize+4096])
		p[28] = last
		return p
	}
	for _, c := range []struct {
		name  string
		logs  [][]byte
		spare byte
		pages int
		gap   uint32
	}{
		{"one log", [][]byte{makeLog(hive, 11, page(1), page(2))}, 2, 2, 0},
		{"second log goes on", [][]byte{makeLog(hive, 13, page(3)), makeLog(hive, 11, page(1), page(2))}, 3, 3, 0},
		{"second log leaves numbers out", [][]byte{makeLog(hive, 11, page(1)), makeLog(hive, 20, page(9))}, 1, 1, 0},
		{"all older than the hive", [][]byte{makeLog(hive, 5, page(7))}, 0, 0, 0},
		{"begins later than the hive", [][]byte{makeLog(hive, 15, page(4))}, 4, 1, 4},
		{"begins older", [][]byte{makeLog(hive, 9, page(7), page(8), page(6))}, 6, 2, 0},
		{"same number twice", [][]byte{makeLog(hive, 11, page(1)), makeLog(hive, 11, page(2))}, 1, 1, 0},
	} {
		r, err := Apply(hive, c.logs...)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.After.Bytes()[BaseSize+28]; got != c.spare || r.Pages != c.pages || r.Gap != c.gap {
			t.Errorf("%s: page %d, %d pages, gap %d; want %d, %d, %d: %+v", c.name, got, r.Pages, r.Gap, c.spare, c.pages, c.gap, r)
		}
		if log, at, ok := r.Origin(BaseSize + 28); ok != (c.pages > 0) || ok && c.logs[log][at] != c.spare {
			t.Errorf("%s: origin %d, %#x, %v", c.name, log, at, ok)
		}
		if r.Before.Bytes()[BaseSize+28] != 0 {
			t.Errorf("%s: the hive as it lies was changed", c.name)
		}
	}
	if r, err := Apply([]byte("no hive"), makeLog(hive, 11, page(1))); err == nil && r.Before != nil {
		t.Error("a hive without a base block")
	}
}

// A cut or damaged entry ends the replay with a reason, unless nothing of it
// was there.
func TestReplayTruncation(t *testing.T) {
	hive := read(t, "testdata/100_sub_keys.hiv")
	binary.LittleEndian.PutUint32(hive[4:], 11)
	binary.LittleEndian.PutUint32(hive[8:], 10)
	binary.LittleEndian.PutUint32(hive[508:], checksum(hive))
	p := slices.Clone(hive[BaseSize : BaseSize+4096])
	log := makeLog(hive, 11, p, p)
	for _, cut := range []int{0, 511, 512, 513, 552, 5119, 5120, 5121, 5160, 5161, len(log) - 1} {
		r, err := Apply(hive, log[:cut])
		if err != nil {
			t.Fatal(err)
		}
		atBorder := cut == 512 || cut == 5120 || cut > 5120 && cut < 5160 || cut > 512 && cut < 552
		if r.Pages < 2 && r.Logs[0].Refused == "" && !atBorder {
			t.Errorf("cut at %d: %d of 2 pages, loss is silent", cut, r.Pages)
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	hive := read(b, corpus.Path(b, registry+"mkorman90+regipy/SYSTEM_B"))
	log1 := read(b, corpus.Path(b, registry+"mkorman90+regipy/SYSTEM_B.LOG1"))
	log2 := read(b, corpus.Path(b, registry+"mkorman90+regipy/SYSTEM_B.LOG2"))
	b.SetBytes(int64(len(hive) + len(log1) + len(log2)))
	b.ReportAllocs()
	for b.Loop() {
		if r, err := Apply(hive, log1, log2); err != nil || r.Pages != 315 {
			b.Fatal(r, err)
		}
	}
}
