//go:build unix

package main

// reason says why an account that differs from the table of truth is right.
// It holds for exactly this account: another one is a failure.
type reason struct{ got, reason string }

const (
	cutRecord = "the head of a damaged chunk declares records that are not there or are torn; no peer counts them, ours tells them as failed"
	replayed  = "the table counts the hive as it lies; its logs bring the keys that regipy counts, and take the place of what was recovered"
	places    = "one visit, and the 91 places that no visit of the table belongs to"
	morePlace = "reglookup-recover leaves out what lies in cells that it cannot place; ours are in the tests of parsers/regf"
)

// accepted are the differences with a reason, by path on the disk.
var accepted = map[string]reason{
	"Users/user01/AppData/Local/Packages/BadSubkeyHive_test/Settings/settings.dat": {
		"6 live, 2 recovered, 1 failed",
		"a list leads to a key that was reached before: the three peers count it twice, ours tells it as failed",
	},
	"Users/user01/AppData/Local/Packages/DeletedDataHiveTruncated_test/Settings/settings.dat": {
		"2 live, 4 recovered, 1 failed",
		"cut: libregf and hivex find both keys, reglookup ends at the first",
	},
	"Users/user01/AppData/Local/Packages/HealedHive_test/Settings/settings.dat": {
		"4 live, 2 recovered, 0 failed",
		"yarp finds unreferenced cells here that are allocated; reglookup-recover looks at free ones only",
	},
	"Users/user01/AppData/Local/Packages/TruncatedDirtyHive_test/Settings/settings.dat": {
		"2 live, 83 recovered, 9 failed",
		"cut behind the top of the tree: keys whose list is lost are recovered, the lost lists are failed",
	},
	"Users/user01/AppData/Local/Packages/TruncatedNameHive_test/Settings/settings.dat": {
		"1 live, 1 recovered, 1 failed",
		"the key with the cut name is told as failed; yarp wants an error there",
	},
	"Users/user01/AppData/Roaming/Mozilla/Firefox/Profiles/q7d1m0xc.default/places.sqlite": {
		"92 live, 0 recovered, 0 failed",
		places,
	},
	"Users/user01/AppData/Roaming/Thunderbird/Profiles/k2s8x1qa.default/Mail/Local Folders/unmunged": {
		"2 live, 0 recovered, 0 failed",
		"two of the three lines that python counts are sentences, and the first separator stands behind a byte order mark",
	},
	"Users/user01/Documents/20200101/powershell_transcript.txt": {
		"3 live, 0 recovered, 0 failed",
		"a row for each command of the one session that plaso counts",
	},
	"Users/user02/AppData/Roaming/Mozilla/Firefox/Profiles/q7d1m0xc.default/places.sqlite": {
		"92 live, 0 recovered, 0 failed",
		places,
	},
	"Users/user03/NTUSER.DAT": {
		"3105 live, 153 recovered, 0 failed",
		replayed,
	},
	"Users/user04/NTUSER.DAT": {
		"724 live, 4148 recovered, 4 failed",
		"cut to 700,000 bytes: ours reads on behind the list that ended reglookup; what has lost its parent is recovered",
	},
	"Users/user10/NTUSER.DAT": {
		"1808 live, 31 recovered, 0 failed",
		morePlace,
	},
	"Users/user14/NTUSER.DAT": {
		"665 live, 14 recovered, 1 failed",
		"lists that loop: there is no right count, libregf and hivex do not end",
	},
	"Windows.old.002/Windows/System32/config/SYSTEM": {
		"43211 live, 3652 recovered, 0 failed",
		morePlace,
	},
	"Windows.old.003/Windows/System32/config/SAM": {
		"68 live, 25 recovered, 0 failed",
		"one bin with a bad header ends the peers at the root; the same hive without the damage has 68 keys and 25 recovered",
	},
	"Windows.old.7/Windows/Prefetch/CALC_v23_truncated.pf": {
		"1 live, 0 recovered, 0 failed",
		"libscca refuses the cut file; its header, runs and first names are there, the rest is told as lost",
	},
	"Windows.old.XP/WINDOWS/system32/config/SysEvent_hole.Evt": {
		"361 live, 5957 recovered, 183 failed",
		"libevt counts the record that begins before the hole and ends in it; 182 lie in the hole, this one is the 183rd lost",
	},
	"Windows/System32/config/SYSTEM": {
		"35595 live, 96 recovered, 0 failed",
		replayed,
	},
	"Windows/System32/winevt/Logs/2-vss_0-Microsoft-Windows-RemoteDesktopServices-RdpCoreTS%4Operational.evtx": {
		"1910 live, 155 recovered, 68 failed",
		cutRecord,
	},
	"Windows/System32/winevt/Logs/2-vss_0-Microsoft-Windows-TerminalServices-RemoteConnectionManager%4Operational.evtx": {
		"1774 live, 267 recovered, 100 failed",
		cutRecord,
	},
	"Windows/System32/winevt/Logs/Microsoft-Windows-LanguagePackSetup%4Operational.evtx": {
		"16 live, 15 recovered, 4 failed",
		cutRecord,
	},
	"Windows/System32/winevt/Logs/sample-with-zero-data-size-event.evtx": {
		"335 live, 147 recovered, 1 failed",
		"the record without data is told as failed; the walk ends there and does not count it",
	},
}

// unread says why files of a kind are no sources.
var unread = map[string]string{
	"browser":      "preferences, extensions, Opera 12, Qutebrowser, Java: not read yet",
	"browsercache": "caches of browsers: not read yet",
	"eml":          "TNEF beside no message: not read yet",
	"ese":          "BITS queue, UAL, file history: not read yet; or single pages in fragments",
	"notepad":      "not read yet",
	"office":       "documents are not sources",
	"ole":          "documents are not sources",
	"onedrive":     "not read yet",
	"pca":          "not read yet",
	"pst":          "PST and NK2: not read yet",
	"recyclebin":   "$R is what was deleted, $I its record; or listings",
	"registry":     "logs are read with their hive; or fragments",
	"shimdb":       "not read yet",
	"superfetch":   "not read yet",
	"textlog":      "logs of other programs; or fragments",
	"winsqlite":    "activities and search index: not read yet",
	"wmi":          "not read yet",
}
