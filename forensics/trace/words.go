package trace

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"kanshiki/forensics/escape"
)

// Rule is a row of the message catalogue: one sentence for one kind of claim.
// No other sentences state findings. Slots stand in braces.
type Rule struct {
	ID     string
	Answer Answer
	Act    string
	Part   Part
	EN, JA string
	// NotShown is what the claim does not say, printed with it.
	NotShown string
}

// Rules is the catalogue.
var Rules = []Rule{
	{"mail-received", Touched, "mail-received", TheAct, "mail “{subject}” from {sender} came with {attachment}", "{sender} からのメール「{subject}」に {attachment} が添付されていました", "that a person read it"},
	{"delivered", Touched, "delivered", TheAct, "{file} is the attachment {attachment} of that mail", "{file} はそのメールの添付ファイル {attachment} です", "who saved it"},
	{"downloaded", Touched, "downloaded", TheAct, "{file} came from {url}", "{file} は {url} から取得されました", "who asked for it"},
	{"unpacked", Touched, "unpacked", TheAct, "{file} is the member {member} of {archive}", "{file} は {archive} の中の {member} です", "who unpacked it"},
	{"came", Touched, "wrote", TheAct, "{file} came into being on this disk", "{file} がこのディスクに作成されました", "what wrote it"},
	{"unpacked-by", Touched, "unpacked", TheActor, "{actor} unpacked {file}", "{actor} が {file} を展開しました", "that no other program did; who used it"},
	{"ran", Touched, "ran", TheAct, "{program} was run", "{program} が実行されました", "by whom; that it ran to an end"},
	{"wrote", Touched, "wrote", TheActor, "{actor} placed {file}", "{actor} が {file} を置きました", "that no other program did"},
	{"starts", Touched, "persisted", TheAct, "{program} starts by itself from {place}", "{program} は {place} から自動起動します", "who set it; that it was started so"},
	{"starts-all", Touched, "persisted", TheAct, "{program} starts by itself from {count}: {places}", "{program} は {count}({places})から自動起動します", "who set them; that it was started so"},
	{"set-starts-all", Touched, "persisted", TheActor, "{actor} set {count} that start {program}: {places}", "{actor} が {program} の自動起動({places})を設定しました", "that no other program did"},
	{"set-start", Touched, "persisted", TheActor, "{actor} set the start place {place}", "{actor} が自動起動 {place} を設定しました", "that no other program did"},
	{"packed", Touched, "packed", TheAct, "{archive} holds {count} of {folder}", "{folder} の {count} が {archive} に入っています", "who packed them; that they left"},
	{"packed-maybe", Touched, "packed", TheAct, "{count} of {folder} were there when {archive} was written, and its list is not whole", "{archive} の作成時に {folder} に {count} があり、一覧は完全ではありません", "that they were packed"},
	{"packed-by", Touched, "packed", TheActor, "{actor} packed {archive}", "{actor} が {archive} を作成しました", "that no other program or person did"},
	{"deleted", Touched, "deleted", TheAct, "{file} was deleted", "{file} が削除されました", "who deleted it"},
	{"deleted-by", Touched, "deleted", TheActor, "{actor} deleted {file}", "{actor} が {file} を削除しました", "that no other program or person did"},
	{"cleared", Touched, "cleared", TheAct, "the {log} log was cleared", "{log} ログが消去されていました", "why"},
	{"cleared-by", Touched, "cleared", TheActor, "account {account} cleared the {log} log", "アカウント {account} が {log} ログを消去しました", "which person or program used the account"},
	{"forged", Touched, "forged", TheAct, "the times of {file} speak against each other: {tests}", "{file} の時刻に改変の疑いがあります: {tests}", "who changed them, and why"},
	{"times-changed", Touched, "metadata-changed", TheAct, "times or attributes of {file} were changed, and nothing else of it", "{file} の時刻または属性だけが変更されました", "what they were before; who changed them"},
	{"times-changed-by", Touched, "metadata-changed", TheActor, "{actor} changed the times of {file}", "{actor} が {file} の時刻を変更しました", "that no other program did"},
	{"started-by", Touched, "ran", TheActor, "{actor} started {program}", "{actor} が {program} を起動しました", "that the parent's number was not forged"},
	{"cleared-program", Touched, "cleared", TheActor, "{actor} cleared the {log} log", "{actor} が {log} ログを消去しました", "that no other program or person of that account did"},
	{"detected", Touched, "detected", TheAct, "the antivirus named {file} as {threat}", "ウイルス対策ソフトが {file} を {threat} として検知しました", "when it came; that it was removed"},
	{"account", Touched, "account", TheAct, "{program} ran under the account {account}", "{program} はアカウント {account} で実行されました", "that the person of that account started it"},
	{"connected", Touched, "connected", TheActor, "{actor} was in contact with {host}", "{actor} が {host} と通信しました", "what was sent"},

	{"connected-maybe", MayHaveLeft, "connected", TheActor, "{actor} may have been in contact with {host}, which stands inside it", "{actor} は内部にある {host} と通信した可能性があります", "that it was"},
	{"sent-bytes", MayHaveLeft, "sent", TheAct, "{least} to {most} to {host} in {count}", "{host} へ {least}〜{most}({count})", "what these bytes were"},
	{"sent-by", MayHaveLeft, "sent", TheActor, "{actor} sent them", "{actor} が送信しました", "that no other program of this machine did"},
	{"sent-own", MayHaveLeft, "sent", TheActor, "{actor} sent {least} to {most}, by this machine's own count, to any host", "{actor} はこの端末自身の記録で {least}〜{most} を送信しました(宛先不問)", "to whom, and what"},
	{"left", MayHaveLeft, "sent", TheContent, "{file} ({size}) or parts of it: at least {least}, at most {most}", "{file}({size})またはその一部: 少なくとも {least}、多くても {most}", "that it left"},
	{"too-few", MayHaveLeft, "sent", TheContent, "the bytes that this channel recorded are fewer than {file} ({size}); compressed, in parts or by another way it may still have left", "この経路に記録された量は {file}({size})より少ないですが、圧縮・分割または別の経路で流出した可能性は残ります", "that it stayed"},
	{"conflict", MayHaveLeft, "sent", TheAct, "two witnesses of {host} contradict each other: {detail}", "{host} に関する二つの記録が矛盾しています: {detail}", "either"},
	{"device", MayHaveLeft, "sent", TheAct, "the removable device {device} was attached in that time", "この期間に外部記憶装置 {device} が接続されていました", "that anything was copied to it"},
	{"credentials", MayHaveLeft, "in-reach", TheAct, "passwords of {count} were in reach: change them", "{count} のパスワードに到達できた状態でした。変更してください", "that they were read"},
	{"documents", MayHaveLeft, "in-reach", TheAct, "{count} were in reach of the account {account}", "アカウント {account} の {count} に到達できた状態でした", "that they were read"},

	{"no-volume", Unknown, "sent", TheAct, "bytes sent by any program: {windows} does not record them; {would} would", "プログラムごとの送信量: {windows} は記録しません。{would} があれば分かります", ""},
	{"volume-not-kept", Unknown, "sent", TheAct, "bytes sent by any program: no source that would show them was recording; {would} would", "プログラムごとの送信量: 記録していた情報源がありません。{would} があれば分かります", ""},
	{"outside-proxy", Unknown, "sent", TheAct, "bytes sent by any program beyond what the proxy counted: this machine does not record them", "プロキシが数えたもの以外のプログラムごとの送信量: この端末は記録しません", ""},
	{"cleared-span", Unknown, "recorded", TheAct, "what the {log} log held before it was cleared", "消去される前の {log} ログの内容", ""},
	{"no-starts", Unknown, "recorded", TheAct, "which programs were started in that time, beyond the few that left other records", "この期間に起動されたプログラム(他の記録が残るものを除く)", ""},
	{"no-command-lines", Unknown, "recorded", TheAct, "with which command lines programs were started: {windows} does not record them", "プログラムの起動時の引数: {windows} は記録しません", ""},
	{"journal-before", Unknown, "recorded", TheAct, "which files were made, changed or deleted before the change journal of volume {volume} begins", "ボリューム {volume} の変更ジャーナルが始まる前の作成・変更・削除", ""},
	{"no-memory", Unknown, "recorded", TheAct, "what the memory of the running machine held", "動作中のメモリの内容", ""},
	{"proxy-before", Unknown, "sent", TheAct, "what passed the proxy before its log begins", "プロキシのログが始まる前の通信", ""},
	{"proxy-after", Unknown, "sent", TheAct, "what passed the proxy after its log ends", "プロキシのログが終わった後の通信", ""},
	{"emptied", Unknown, "recorded", TheAct, "what {count} that were deleted from {folder} held", "{folder} から削除された {count} の内容", ""},
	{"overwritten", Unknown, "packed", TheContent, "what else {archive} held: {why}", "{archive} のほかの内容: {why}", ""},
	{"who-packed", Unknown, "packed", TheActor, "who packed {archive}: {why}", "{archive} を作成した主体: {why}", ""},
	{"unread", Unknown, "read", TheAct, "what {count} that could not be read whole would show", "完全に読み取れなかった {count} の内容", ""},
	{"when-deleted", Unknown, "deleted", TheAct, "when {file} was deleted: no journal record of it is left", "{file} がいつ削除されたか: 変更ジャーナルの記録が残っていません", ""},
	{"gone-program", Unknown, "ran", TheContent, "what {program} was: {why}", "{program} の内容: {why}", ""},
}

func rule(id string) *Rule {
	for i := range Rules {
		if Rules[i].ID == id {
			return &Rules[i]
		}
	}
	panic("no rule " + id)
}

// say fills a template. Values from evidence are escaped here, once for every
// way of showing them.
func say(template string, slots []string) string {
	for i := 0; i+1 < len(slots); i += 2 {
		template = strings.ReplaceAll(template, "{"+slots[i]+"}", escape.Text(slots[i+1]))
	}
	return template
}

// claim makes a claim of a rule. slots are name, value, name, value …
func (a *analysis) claim(id string, g Grade, entities []Entity, slots ...string) *Claim {
	r := rule(id)
	c := &Claim{Rule: id, Answer: r.Answer, Act: r.Act, Part: r.Part, Grade: g, Entities: entities, Sentence: say(r.EN, slots)}
	h := sha256.New()
	for _, s := range append([]string{id}, slots...) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	for _, e := range entities {
		for _, s := range []string{e.Role, e.Kind, e.Path, e.Key, e.Value, e.Name} {
			h.Write([]byte(s))
			h.Write([]byte{0})
		}
	}
	c.ID = hex.EncodeToString(h.Sum(nil)[:8])
	a.claims = append(a.claims, c)
	return c
}
