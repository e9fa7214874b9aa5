package all

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"kanshiki/forensics/artifact/artifacttest"
)

// TestEverySpec walks the list: each Spec has a name of its own, says what its
// records prove and what not, has a limit and something that finds it.
func TestEverySpec(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Specs() {
		artifacttest.Card(t, s)
		if seen[s.Name] {
			t.Errorf("%s stands twice in the list", s.Name)
		}
		seen[s.Name] = true
		fields(t, s.Name, s.Fields)
		for _, g := range s.Globs {
			if g == "" || strings.HasPrefix(g, "/") || strings.Contains(g, `\`) {
				t.Errorf("%s: %q is no pattern from the volume's root with / between names", s.Name, g)
			}
		}
		if title, card, ok := Card(s.Name); !ok || title != s.Title || card != s.Card {
			t.Errorf("%s: its card is not found", s.Name)
		}
	}
	for _, s := range VolumeSpecs() {
		if seen[s.Name] {
			t.Errorf("%s stands twice in the list", s.Name)
		}
		seen[s.Name] = true
		fields(t, s.Name, s.Fields)
		if s.Title == "" || s.Family == "" || s.Read == nil {
			t.Errorf("%s: title, family or reader is missing", s.Name)
		}
		v := reflect.ValueOf(s.Card)
		for i := range v.NumField() {
			if strings.TrimSpace(v.Field(i).String()) == "" {
				t.Errorf("%s: card says nothing of %s", s.Name, v.Type().Field(i).Name)
			}
		}
	}
	if len(Families()) != len(seen) {
		t.Error("an artifact has no family")
	}
}

func fields(t *testing.T, name string, list []string) {
	t.Helper()
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) != len(list) {
		t.Errorf("%s: a field stands twice", name)
	}
}
