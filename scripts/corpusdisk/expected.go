//go:build unix

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// count is what a table of truth says of a source; recovered is -1 where it
// does not say.
type count struct{ live, recovered, failed int64 }

func (c count) String() string {
	s := fmt.Sprintf("%d live", c.live)
	if c.recovered >= 0 {
		s += fmt.Sprintf(", %d recovered", c.recovered)
	}
	if c.failed > 0 {
		s += fmt.Sprintf(", %d failed", c.failed)
	}
	return s
}

func number(r row, column string) int64 {
	n, _ := strconv.ParseFloat(r[column], 64) // records_by_size has a ".0"
	return int64(n)
}

// inTable finds "name=N" in a list of tables and their rows.
func inTable(r row, name string) (int64, bool) {
	m := regexp.MustCompile(`(?:^|[ ;])` + regexp.QuoteMeta(name) + `=(\d+)`).FindStringSubmatch(r["table_rows"] + ";" + r["other"])
	if m == nil {
		return 0, false
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n, true
}

// expected says which artifact must have read a file, and its account by the
// table of truth. No artifact: the file is no source; known false: it is one,
// and no table counts it.
func expected(m, t row) (artifact string, want count, known bool) {
	one := count{live: 1}
	base := path.Base(m["path"])
	switch m["type"] {
	case "evtx":
		return "eventlog/evtx", count{live: number(t, "walk_records"), recovered: number(t, "libevtx_recovered")}, true
	case "evt":
		return "eventlog/evt", count{live: number(t, "libevt_records"), recovered: number(t, "libevt_recovered")}, true
	case "prefetch":
		if t["version"] == "" && t["direct_version"] == "" {
			one = count{failed: 1}
		}
		return "execution/prefetch", one, true
	case "lnk":
		if strings.Contains(t["other"], "not a shell link") {
			one = count{failed: 1}
		}
		return "document/lnk", one, true
	case "registry":
		return hive(m, t)
	case "recyclebin":
		switch {
		case t["kind"] == "$I":
			return "deletion/recyclebin", one, true
		case strings.HasPrefix(t["kind"], "INFO"):
			return "deletion/recyclebin", count{live: number(t, "records_by_size")}, true
		}
		return "", want, false // $R is what was deleted
	case "jumplist":
		if t["kind"] == "custom" {
			return "document/jumplist", count{live: number(t, "lnk_signatures")}, true
		}
		return "document/jumplist", count{live: number(t, "destlist_entries") + number(t, "lnk_streams")}, true
	case "setupapi":
		return "device/setupapi", count{live: number(t, "sections")}, true
	case "recentfilecache":
		return "execution/recentfilecache", count{live: number(t, "entries")}, true
	case "avlog":
		return "execution/avlog", count{live: number(t, "lines")}, true
	case "defender":
		return "execution/defender", one, true
	case "task":
		return "persistence/task", one, true
	case "crashdump":
		return "memory/dump", one, true
	case "msg":
		return "mail/msg", one, true
	case "stream":
		return "filesystem/zoneidentifier", one, true
	case "eml":
		switch n, mbox := inTable(t, "mailbox_messages"); {
		case mbox:
			return "mail/mbox", count{live: n}, true
		case t["kind"] == "eml":
			return "mail/eml", one, true
		}
		return "", want, false // TNEF beside no message
	case "ese":
		if strings.HasPrefix(strings.ToLower(base), "srudb") {
			return "network/srum", srum(t, srumNetwork...), true
		}
		return "", want, false
	case "indexdat":
		return "browser/ie", count{live: number(t, "items"), recovered: number(t, "recovered")}, true
	case "browser":
		return browser(base, t)
	case "textlog":
		return textLog(base, t)
	}
	return "", want, false
}

// hive counts keys as reglookup does: it reads on where libregf and hivex
// refuse, and where all three read, they agree. Its logs are read with it.
func hive(m, t row) (string, count, bool) {
	if regexp.MustCompile(`(?i)\.log[12]?( \(\d+\))?$`).MatchString(m["path"]) {
		return "", count{}, false
	}
	w := count{live: number(t, "reglookup_keys"), recovered: -1}
	if t["recover_keys"] != "" {
		w.recovered = number(t, "recover_keys") + number(t, "recover_values")
	}
	return "registry/keys", w, true
}

// browser counts what the tables of the database hold.
func browser(base string, t row) (string, count, bool) {
	sum := func(names ...string) (n int64, any bool) {
		for _, name := range names {
			rows, ok := inTable(t, name)
			n, any = n+rows, any || ok
		}
		return n, any
	}
	switch base {
	case "History":
		n, ok := sum("visits", "downloads")
		return "browser/chrome", count{live: n}, ok
	case "Cookies", "cookies.sqlite":
		n, ok := sum("cookies", "moz_cookies")
		return "browser/cookies", count{live: n}, ok
	case "Web Data":
		n, ok := sum("autofill")
		return "browser/forms", count{live: n}, ok
	case "downloads.sqlite":
		n, ok := sum("moz_downloads")
		return "browser/firefox", count{live: n}, ok
	case "places.sqlite":
		n, ok := sum("moz_historyvisits")
		return "browser/firefox", count{live: n}, ok
	}
	return "", count{}, false
}

// Tables of SRUM by the artifact that reads them.
var (
	srumNetwork  = []string{"{973F5D5C-1D90-4944-BE8E-24B94231A174}", "{DD6636C4-8929-4683-974E-22C046A43763}"}
	srumPrograms = []string{"{D10CA2FE-6FCF-4F6D-848E-B2E99266FA89}", "{5C8CF1C7-7257-4F13-B223-970EF5939312}"}
)

// srum counts rows as libesedb and go-ese do.
func srum(t row, tables ...string) (w count) {
	for _, name := range tables {
		n, _ := inTable(t, name)
		w.live += n
	}
	return w
}

func textLog(base string, t row) (string, count, bool) {
	stated := count{}
	if m := regexp.MustCompile(`event_data=(\d+)`).FindStringSubmatch(t["stated_by_upstream"]); m != nil {
		stated.live, _ = strconv.ParseInt(m[1], 10, 64)
	}
	switch {
	case base == "pfirewall.log":
		return "network/firewall", stated, true
	case strings.HasPrefix(base, "powershell_transcript"):
		return "execution/powershelltranscript", stated, true
	case base == "hosts":
		return "network/hosts", stated, false
	case base == "Connection_incoming.txt":
		return "network/remote", count{live: number(t, "lines") - 1}, true // the first is empty
	case base == "ConsoleHost_history.txt":
		return "execution/powershellhistory", count{live: 6}, true // as assemble-windows-disk writes it
	}
	return "", stated, false
}

func asExit(err error, exit **exec.ExitError) bool { return errors.As(err, exit) }

// stated are counts of other artifacts in a hive, from the tests of regipy and
// plaso (stated_by_upstream in the table of truth).
var stated = []struct {
	source, artifact string
	live             int64
}{
	{"mkorman90/regipy:regipy_tests/data/SYSTEM.xz", "execution/shimcache", 660},
	{"mkorman90/regipy:regipy_tests/data/SYSTEM.xz", "device/mounteddevices", 11},
	{"mkorman90/regipy:regipy_tests/data/SYSTEM_WIN_10_1709.xz", "execution/bam", 55},
	{"mkorman90/regipy:regipy_tests/data/NTUSER.DAT.xz", "document/wordwheel", 6},
	{"mkorman90/regipy:regipy_tests/data/NTUSER_BAGMRU.DAT.xz", "document/shellbags", 102},
	{"mkorman90/regipy:regipy_tests/data/SAM.xz", "logon/sam", 3},
	{"log2timeline/dfwinreg:test_data/SAM", "logon/sam", 3},
}
