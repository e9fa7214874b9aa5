package regf

import "testing"

func FuzzHive(f *testing.F) {
	for _, name := range []string{"BCD", "100_sub_keys.hiv", "UNICODE_TESTS"} {
		f.Add(read(f, "testdata/"+name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Parse(data)
		if err != nil {
			return
		}
		keys, values, _ := count(h)
		if keys+values > len(data) {
			t.Errorf("%d keys and %d values in %d bytes", keys, values, len(data))
		}
		for range h.Recovered() {
		}
	})
}

func FuzzReplay(f *testing.F) {
	hive := read(f, "testdata/100_sub_keys.hiv")
	hive[4]++
	f.Add(hive, makeLog(hive, 1, hive[BaseSize:BaseSize+4096]))
	f.Add(hive, read(f, "testdata/ntuser.dat.log2"))
	f.Fuzz(func(t *testing.T, hive, log []byte) {
		r, err := Apply(hive, log)
		if err != nil || r.Reason != "" {
			return
		}
		count(r.After)
	})
}
