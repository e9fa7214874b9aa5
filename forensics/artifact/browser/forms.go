package browser

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/sqlite"
)

// Forms is what was typed into forms and kept to be offered again.
var Forms = artifact.Spec{
	Name: "browser/forms", Title: "Form entries of Chrome and Firefox",
	Globs: []string{"**/User Data/*/Web Data", "**/Opera Software/*/Web Data", "**/Profiles/*/formhistory.sqlite"},
	Loose: func(name string, head []byte) bool {
		return sqlite.Is(head) && (strings.EqualFold(name, "Web Data") || strings.HasPrefix(strings.ToLower(name), "formhistory") || bytes.Contains(head, []byte("moz_formhistory")))
	},
	Fields: []string{"browser", "field", "value", "count", "created", "time_raw", "view"},
	Limit:  limit, Family: artifact.FamilyBrowser,
	Card: artifact.Card{
		Proves:    "this text was put into a field of this name and sent, last at the time",
		NotProven: "on which page; by whom (profiles are synchronised between machines, programs fill in forms); passwords and card numbers are kept elsewhere",
		Clock:     "system clock, UTC; Chrome seconds, Firefox microseconds since 1970",
		Retention: "Chrome about 14 months since last use, Firefox 180 days; the user may remove it",
		Switches:  "autofill settings of the browser; private windows",
		Source:    "Chromium source: autofill_table.cc; Firefox: FormHistory; plaso",
	},
	Read: func(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
		return read(ctx, in, emit, "entries that are still kept", readForms)
	},
}

func readForms(v *view) error {
	name := product(v.in.Source)
	if v.db.Table("autofill") == nil && v.db.Table("moz_formhistory") == nil {
		return fmt.Errorf("no form entries: tables autofill and moz_formhistory are missing")
	}
	for row := range v.rows("autofill", "name", "value", "count", "date_created", "date_last_used") {
		if err := v.form(name, "autofill", &row); err != nil {
			return err
		}
	}
	for row := range v.rows("moz_formhistory", "fieldname", "value", "timesUsed", "firstUsed", "lastUsed") {
		if err := v.form("Firefox", "moz_formhistory", &row); err != nil {
			return err
		}
	}
	return v.ctx.Err()
}

func (v *view) form(browser, table string, row *sqlite.Row) error {
	c := row.Values
	made, madePrecision := prtime(c[3])
	used, usedPrecision := prtime(c[4])
	raw, t, precision := c[4], used, usedPrecision
	e := v.begin(table, row)
	e.Action, e.Meaning = event.Other, "form entry last used"
	if used == 0 {
		e.Meaning, raw, t, precision = "form entry first used", c[3], made, madePrecision
	}
	v.count(0, t)
	e.Message = fmt.Sprintf("%s: %q was put into the field %q, %s times", browser, c[1].Text, c[0].Text, c[2].String())
	v.add(event.Str("browser", browser))
	v.str("field", c[0].Text)
	v.str("value", c[1].Text)
	v.num("count", c[2])
	v.time("created", made, madePrecision)
	v.when(t, precision, raw)
	return v.finish()
}
