package trace

import "time"

// The tables of the trace. What stands here decides what is said; the code
// only finds the records.

// slack is how far times of one machine's own sources may stand apart and
// still be the same moment.
const slack = 2 * time.Second

// watched is how long the prefetcher watches a start.
const watched = 10 * time.Second

// nearRun is how long after a start a birth is still "in its run" where
// nothing says when the program ended.
const nearRun = 10 * time.Minute

// Strength of a reason to suspect.
type Strength int

// The strengths. Weak reasons are shown and never add up.
const (
	Weak Strength = iota
	Medium
	Strong
)

func (s Strength) String() string { return [...]string{"weak", "medium", "strong"}[s] }

// Reason is a row of the table of suspicion.
type Reason struct {
	ID       string
	Strength Strength
	IsOnly   bool // says what the file is, not how it came or what it did
	Words    string
	JA       string
	NotShown string // what it does not prove
}

// Reasons, in the order in which they are shown. A file becomes a suspect by
// one strong reason, or by two medium ones of different witness families of
// which one at least says how it came or what it did.
var Reasons = []Reason{
	{"av", Strong, false, "the machine's own antivirus named this file", "この端末のウイルス対策ソフトがこのファイルを検知しました", "that it acted"},
	{"ioc", Strong, false, "the examiner's list names it", "調査者の一覧に含まれています", "more than the list knows"},
	{"name-lies", Strong, false, "its name hides that it is a program", "名前がプログラムであることを隠しています", "that it was opened"},
	{"ran-from-mail", Strong, false, "it ran from where attachments are opened, and is not signed", "添付ファイルを開く場所から実行され、署名がありません", "that it did harm"},
	{"system-name-elsewhere", Strong, false, "it has the name of a Windows program, lies elsewhere and is not signed", "Windowsのプログラムと同じ名前で、別の場所にあり、署名がありません", "that it acted"},
	{"disguised-autostart", Strong, false, "a start place runs a program whose ending says otherwise", "自動起動の対象がプログラムですが、拡張子が異なります", "who set it"},
	{"autostart-user-place", Medium, true, "not signed, in a folder that users can write, and started automatically", "署名がなく、利用者が書き込める場所から自動起動します", "harm: many honest programs do so"},
	{"rare-autostart", Medium, false, "started through a place that few programs use", "あまり使われない方法で自動起動します", "harm"},
	{"forged-times", Medium, false, "two tests of different kind speak against its times", "時刻改変の疑いがあります(異なる二つの検査)", "who changed them, and that it was meant to hide"},
	{"placed-by-suspect", Medium, false, "a suspect placed it", "疑わしいプログラムが置いたものです", "that it acted"},
	{"packed-code", Medium, true, "its code is compressed or encrypted, and it is not signed", "コードが圧縮または暗号化されており、署名がありません", "harm: installers look so"},
	{"ran-and-gone", Medium, false, "it ran, and was deleted within minutes", "実行され、数分以内に削除されました", "who deleted it"},
	{"broken-signature", Medium, true, "its signature does not fit its content", "署名が内容と一致しません", "that it was changed on purpose"},
	{"net-strings", Medium, true, "hosts named inside it stand in network records of this machine", "内部にある接続先が通信記録にあります", "that this program made the connection"},
	{"unsigned", Weak, true, "not signed", "署名がありません", "anything"},
	{"internet-zone", Weak, false, "marked as from the internet", "インターネットから取得した印があります", "anything"},
}

// system programs that malware likes to be called, and where Windows keeps
// them. Second places of Windows itself are in systemPlaces.
var systemPrograms = map[string]bool{
	"svchost.exe": true, "lsass.exe": true, "csrss.exe": true, "winlogon.exe": true, "services.exe": true, "smss.exe": true,
	"wininit.exe": true, "explorer.exe": true, "spoolsv.exe": true, "taskhost.exe": true, "taskhostw.exe": true, "taskmgr.exe": true,
	"conhost.exe": true, "dllhost.exe": true, "rundll32.exe": true, "regsvr32.exe": true, "userinit.exe": true, "lsm.exe": true,
	"dwm.exe": true, "ctfmon.exe": true, "wuauclt.exe": true, "alg.exe": true, "searchindexer.exe": true, "runtimebroker.exe": true,
	"cmd.exe": true, "powershell.exe": true, "mshta.exe": true, "wscript.exe": true, "cscript.exe": true, "msiexec.exe": true,
	"net.exe": true, "schtasks.exe": true, "wmiprvse.exe": true,
}

// systemPlaces hold Windows's own programs and their usual second copies.
var systemPlaces = []string{"windows/", "windows.old", "i386/", "$windows.~bt/", "program files/windows", "recovery/", "$winreagent/", "esd/windows"}

// ranBy says what grade a record of an artifact gives to "a program of this
// path ran". Event logs are told by their event id.
var ranBy = map[string]Grade{
	"execution/prefetch":        Proven,
	"execution/bam":             Proven,
	"execution/userassist":      Supported,
	"execution/pca":             Supported,
	"execution/srum":            Supported,
	"network/srum":              Supported,
	"execution/wer":             Supported,
	"execution/shimcache":       Possible,
	"execution/amcache":         Possible,
	"execution/recentfilecache": Possible,
}

// ranByEvent is the same for event logs: provider and event id.
var ranByEvent = map[string]Grade{
	"Microsoft-Windows-Security-Auditing 4688": Proven,
	"Security 592":                        Proven,
	"Microsoft-Windows-Sysmon 1":          Proven,
	"Microsoft-Windows-TaskScheduler 129": Supported,
	"Microsoft-Windows-TaskScheduler 200": Supported,
	"Application Error 1000":              Supported,
}

// Windows that recorded what: the witnesses of a transfer, with the first and
// last version of Windows that has them ("" for outside the machine or any).
type witness struct {
	ID        string
	Words     string
	JA        string
	Artifacts []string // Specs whose coverage speaks for it, by prefix
	Since     string   // "6.2"
	OffByDef  bool     // keeps nothing unless someone switched it on
	Volume    bool     // it would say how many bytes
	Outside   bool     // not kept by the machine itself
}

// transferWitnesses are all that could show that something left.
var transferWitnesses = []witness{
	{"proxy", "proxy or gateway log", "プロキシ等のログ", []string{"network/proxy"}, "", false, true, true},
	{"srum", "network usage (SRUM)", "ネットワーク使用量(SRUM)", []string{"network/srum"}, "6.2", false, true, false},
	{"firewall", "Windows firewall log", "Windowsファイアウォールのログ", []string{"network/firewall"}, "", true, false, false},
	{"wfp", "connection audit (5156)", "接続の監査(5156)", []string{"eventlog/wfp"}, "6.0", true, false, false},
	{"sysmon", "Sysmon", "Sysmon", []string{"eventlog/sysmon"}, "", true, false, false},
	{"dns", "DNS client log", "DNSクライアントのログ", []string{"eventlog/dns"}, "6.3", true, false, false},
	{"bits", "BITS jobs", "BITSの転送記録", []string{"eventlog/bits", "network/bits"}, "6.0", false, true, false},
	{"browser", "browser history", "ブラウザーの履歴", []string{"browser/"}, "", false, false, false},
	{"mail", "sent mail on this machine", "この端末の送信済みメール", []string{"mail/"}, "", false, true, false},
	{"cloud", "cloud client's log", "クラウド同期の記録", []string{"network/onedrive", "network/cloud"}, "", true, true, false},
	{"tool", "transfer tool's own log", "転送ソフトの記録", []string{"network/transfer"}, "", true, true, false},
	{"remote", "remote tool's log", "遠隔操作ソフトの記録", []string{"network/remote"}, "", true, false, false},
	{"smbclient", "SMB client log", "SMBクライアントのログ", []string{"eventlog/smbclient"}, "6.2", false, false, false},
	{"share", "share audit (5140, 5145)", "共有の監査(5140、5145)", []string{"eventlog/share"}, "6.0", true, false, false},
	{"device", "removable devices", "外部記憶装置", []string{"device/"}, "", false, false, false},
	{"print", "print log (307)", "印刷のログ(307)", []string{"eventlog/print"}, "6.0", true, false, false},
	{"memory", "memory of the running machine", "動作中のメモリ", []string{"memory/"}, "", false, false, true},
}
