package main

import (
	"slices"
	"strings"
	"testing"

	"kanshiki/cmd/internal/cli"
	"kanshiki/fixtures/corpus"
)

// TestShadowsShareTheVolume: what --shadow all makes from the volume of today is
// what each shadow copy gives by itself, and --changed leaves out no row that is
// not as today.
func TestShadowsShareTheVolume(t *testing.T) {
	img := corpus.Path(t, "images/vss/ntfs-samples/ntfs.qcow2")
	rows := func(args ...string) []string {
		code, out, errs := walk(t, append(append([]string{"list", "--quiet", "--format", "csv"}, args...), img)...)
		if code != cli.Done {
			t.Fatalf("%v: exit %d: %s", args, code, errs)
		}
		return strings.Split(strings.TrimSpace(out), "\n")[1:]
	}
	all := rows("--shadow", "all")
	each := append(rows("--shadow", "1"), rows("--shadow", "2")...)
	if !slices.Equal(all, each) {
		t.Errorf("%d rows, %d of them one by one", len(all), len(each))
	}
	today := map[string]bool{}
	for _, r := range rows() {
		today[strings.TrimPrefix(r, "1,0,")] = true
	}
	for _, which := range []string{"1", "2"} {
		changed := rows("--shadow", which, "--changed")
		whole := rows("--shadow", which)
		for _, r := range whole {
			if rest := strings.TrimPrefix(r, "1,"+which+","); !today[rest] && !slices.Contains(changed, r) {
				t.Errorf("shadow copy %s: not told: %s", which, r)
			}
		}
		if len(changed) == 0 || len(changed) >= len(whole) {
			t.Errorf("shadow copy %s: %d of %d rows", which, len(changed), len(whole))
		}
	}
	if code, _, errs := walk(t, "list", "--changed", img); code != cli.WrongUse || !strings.Contains(errs, "add --shadow") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
