package regf

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"kanshiki/fixtures/corpus"
)

func recovered(t testing.TB, h *Hive) (out []string, keys, values int) {
	t.Helper()
	for r, err := range h.Recovered() {
		switch {
		case err != nil:
		case r.Value != nil:
			values++
			out = append(out, fmt.Sprintf("%#x value %s of %s", r.Offset(), r.Value.Name, r.Path))
		default:
			keys++
			out = append(out, fmt.Sprintf("%#x key %s", r.Offset(), r.Path))
		}
	}
	return
}

// The names are those that the author of these hives deleted.
func TestRecovered(t *testing.T) {
	for name, want := range map[string][]string{
		"DeletedDataHive": {"0x1188 value v2 of 123", "0x1230 key 456", "0x12c8 value v of 456"},
		"DeletedTreeHive": {`0x1140 key 1\2\3\4\New Key #1`, `0x12a0 key 1\2\3`, `0x1310 key 1\2\3\4`, `0x1380 key 1\2\3\4\5`},
	} {
		got, _, _ := recovered(t, parse(t, read(t, corpus.Path(t, registry+"msuhanov+yarp/"+name))))
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// reglookup-recover looks into free cells only; we find at least as much, but
// for two values of SYSTEM_B whose data lies outside the hive.
func TestRecoveredCounts(t *testing.T) {
	for _, row := range corpus.Truth(t, "registry") {
		if row["recover_keys"] == "" {
			continue
		}
		wantKeys, _ := strconv.Atoi(row["recover_keys"])
		wantValues, _ := strconv.Atoi(row["recover_values"])
		_, keys, values := recovered(t, parse(t, read(t, corpus.Path(t, "artifacts/"+row["file"]))))
		if keys < wantKeys || values < wantValues-2 {
			t.Errorf("%s: %d keys, %d values; reglookup-recover finds %d, %d", row["file"], keys, values, wantKeys, wantValues)
		}
	}
}

func BenchmarkRecovered(b *testing.B) {
	data := read(b, corpus.Path(b, registry+"mkorman90+regipy/SYSTEM_B"))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		recovered(b, parse(b, data))
	}
}
