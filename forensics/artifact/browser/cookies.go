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

// Cookies are what hosts left in a browser: the host was contacted then. Their
// content is a secret of the user and of the host and is not given, only how
// long it is.
var Cookies = artifact.Spec{
	Name: "browser/cookies", Title: "Cookies of Chrome and Firefox",
	Globs: []string{"**/User Data/*/Cookies", "**/User Data/*/Network/Cookies", "**/Opera Software/*/Cookies", "**/Opera Software/*/Network/Cookies",
		"**/EBWebView/*/Network/Cookies", "**/Profiles/*/cookies.sqlite"},
	Loose: func(name string, head []byte) bool {
		return sqlite.Is(head) && (strings.Contains(strings.ToLower(name), "cookies") || bytes.Contains(head, []byte("moz_cookies")))
	},
	Fields: []string{"browser", "name", "path", "value_bytes", "encrypted", "created", "last_access", "expires", "secure", "http_only", "time_raw", "view"},
	Limit:  limit, Family: artifact.FamilyBrowser,
	Card: artifact.Card{
		Proves:    "the browser had an answer of the host, or of a page that set the cookie in its name, at the time of creation; it used or looked at the cookie at the last access",
		NotProven: "that a person visited the host (pages load from others, advertisers most of all); what was sent or received; that a host without a cookie was not contacted; last access is written at most once in some minutes",
		Clock:     "system clock, UTC; Chrome microseconds since 1601, Firefox since 1970 (expires in seconds)",
		Retention: "until they expire, by the host's wish, or are removed; session cookies may never reach the disk; about 180 for a host (Chrome)",
		Switches:  "cookie settings of the browser, clearing at the end, private windows",
		Source:    "Chromium source: sqlite_persistent_cookie_store.cc; Firefox: CookiePersistentStorage; plaso",
	},
	Read: func(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
		return read(ctx, in, emit, "cookies that are still kept", readCookies)
	},
}

// cookieTable says how a table of cookies is laid out.
type cookieTable struct {
	browser string
	table   string
	columns []string // host, name, path, value, encrypted value, created, last access, expires, secure, http only, and older names of the last two
	time    func(sqlite.Value) (event.Ticks, event.Precision)
	expires func(sqlite.Value) (event.Ticks, event.Precision)
}

var cookieTables = []cookieTable{
	{"", "cookies", []string{"host_key", "name", "path", "value", "encrypted_value", "creation_utc", "last_access_utc", "expires_utc", "is_secure", "is_httponly", "secure", "httponly"}, webkit, webkit},
	{"Firefox", "moz_cookies", []string{"host", "name", "path", "value", "", "creationTime", "lastAccessed", "expiry", "isSecure", "isHttpOnly", "", ""}, prtime, prtime},
}

func readCookies(v *view) error {
	found := false
	for _, t := range cookieTables {
		if v.db.Table(t.table) == nil {
			continue
		}
		found = true
		if t.browser == "" {
			t.browser = product(v.in.Source)
		}
		for row := range v.rows(t.table, t.columns...) {
			if err := v.cookie(&t, &row); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("no cookies: tables cookies and moz_cookies are missing")
	}
	return v.ctx.Err()
}

// cookie gives one row: the time is that of its making; the last access stands
// in a field, since it is most often a later visit's.
func (v *view) cookie(t *cookieTable, row *sqlite.Row) error {
	c := row.Values
	made, madePrecision := t.time(c[5])
	used, usedPrecision := t.time(c[6])
	expires, expiresPrecision := t.expires(c[7])
	v.count(0, max(made, used))
	e := v.begin(t.table, row)
	e.Action, e.Meaning = event.Other, "cookie made"
	e.Host = strings.ToLower(strings.TrimPrefix(c[0].Text, "."))
	e.Message = fmt.Sprintf("%s: cookie %q of %s made", t.browser, c[1].Text, c[0].Text)
	if used != 0 {
		e.Message += ", last used " + used.Format(event.Second)
	}
	v.add(event.Str("browser", t.browser))
	v.str("name", c[1].Text)
	v.str("path", c[2].Text)
	v.add(event.Int("value_bytes", max(len(c[3].Text), len(c[4].Text))))
	if len(c[4].Text) > 0 {
		v.add(event.Bool("encrypted", true))
	}
	v.time("created", made, madePrecision)
	v.time("last_access", used, usedPrecision)
	v.time("expires", expires, expiresPrecision)
	for i, name := range []string{"secure", "http_only"} {
		n, ok := c[8+i].Number()
		if !ok {
			n, ok = c[10+i].Number()
		}
		if ok {
			v.add(event.Bool(name, n != 0))
		}
	}
	v.when(made, madePrecision, c[5])
	return v.finish()
}
