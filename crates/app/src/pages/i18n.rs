//! What the pages say, in each language. A text with `{}` in it takes one value, see [`fill`].

use std::fmt::Display;

use actix_web::HttpRequest;
use domain::message::Locale;

/// The cookie that remembers a language chosen by hand.
pub(super) const COOKIE: &str = "language";

/// The texts of one language.
pub(super) struct Texts {
    pub(super) locale: Locale,
    pub(super) tag: &'static str,
    pub(super) lang: &'static str,
    pub(super) name: &'static str,
    pub(super) language: &'static str,
    pub(super) error: &'static str,

    pub(super) sign_in: &'static str,
    pub(super) phone_title: &'static str,
    pub(super) phone_lead: &'static str,
    pub(super) phone_label: &'static str,
    pub(super) phone_hint: &'static str,
    pub(super) phone_button: &'static str,
    pub(super) phone_fine: &'static str,
    pub(super) code_title: &'static str,
    pub(super) code_lead: &'static str,
    pub(super) code_change: &'static str,
    pub(super) code_label: &'static str,
    pub(super) resend_ask: &'static str,
    pub(super) resend: &'static str,
    pub(super) resend_wait: &'static str,
    pub(super) resend_note: &'static str,
    pub(super) dev_hint: &'static str,

    pub(super) home_title: &'static str,
    pub(super) home_lead: &'static str,
    pub(super) sessions_title: &'static str,
    pub(super) this_device: &'static str,
    pub(super) unknown_device: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) everywhere_lead: &'static str,
    pub(super) everywhere: &'static str,

    pub(super) outbox_title: &'static str,
    pub(super) outbox_lead: &'static str,
    pub(super) outbox_filter: &'static str,
    pub(super) outbox_refresh: &'static str,
    pub(super) outbox_empty: &'static str,

    pub(super) phone_invalid: &'static str,
    pub(super) phone_not_allowed: &'static str,
    pub(super) code_malformed: &'static str,
    pub(super) code_incorrect: &'static str,
    pub(super) code_incorrect_last: &'static str,
    pub(super) code_gone: &'static str,
    pub(super) not_delivered: &'static str,
    pub(super) wait_seconds: &'static str,
    pub(super) wait_minutes: &'static str,
    pub(super) unavailable: &'static str,
    pub(super) code_sent: &'static str,
    pub(super) signed_out: &'static str,

    pub(super) refused_title: &'static str,
    pub(super) refused_remedy: &'static str,
    pub(super) malformed_title: &'static str,
    pub(super) malformed_remedy: &'static str,
    pub(super) unavailable_title: &'static str,
    pub(super) back_to_start: &'static str,

    just_now: &'static str,
    minutes_ago: &'static str,
    hours_ago: &'static str,
    days_ago: &'static str,
}

static EN: Texts = Texts {
    locale: Locale::En,
    tag: "en",
    lang: "en",
    name: "English",
    language: "Language",
    error: "Error",

    sign_in: "Sign in",
    phone_title: "Sign in to {}",
    phone_lead: "We’ll text you a code. No password needed.",
    phone_label: "Phone number",
    phone_hint: "Abroad? Start with + and the country code.",
    phone_button: "Text me a code",
    phone_fine: "New here? Your first sign-in makes your account.",
    code_title: "Check your messages",
    code_lead: "We texted a {}-digit code to",
    code_change: "Change number",
    code_label: "Sign-in code",
    resend_ask: "No message yet?",
    resend: "Send it again",
    resend_wait: "Send it again in {} s",
    resend_note: "You can ask again in {} s.",
    dev_hint: "No real message is sent here. Read the code in the",

    home_title: "You’re signed in",
    home_lead: "with",
    sessions_title: "Where you’re signed in",
    this_device: "This device",
    unknown_device: "Unknown device",
    sign_out: "Sign out",
    everywhere_lead: "Lost a device, or see one you don’t know?",
    everywhere: "Sign out everywhere",

    outbox_title: "Development outbox",
    outbox_lead: "Messages that a real gateway would have sent, newest first.",
    outbox_filter: "Only messages to",
    outbox_refresh: "Refresh",
    outbox_empty: "No messages yet. Ask for a code on the sign-in page.",

    phone_invalid: "That doesn’t look like a phone number. Please check the digits.",
    phone_not_allowed: "We can’t text this number. Please use a mobile number from a country we serve.",
    code_malformed: "Please type every digit of the code, and only digits.",
    code_incorrect: "That code isn’t right. You have {} tries left.",
    code_incorrect_last: "That code isn’t right. You have one try left.",
    code_gone: "That code has expired or was used up. Ask for a new one.",
    not_delivered: "We couldn’t deliver the message. Check the number, or send it again.",
    wait_seconds: "Too many requests. Please try again in {} s.",
    wait_minutes: "Too many requests. Please try again in {} min.",
    unavailable: "Something on our side isn’t working. Please try again shortly.",
    code_sent: "We sent the same code again.",
    signed_out: "You’re signed out.",

    refused_title: "This form came from elsewhere",
    refused_remedy: "For your safety, forms are taken only from {}. Please open that address and try again.",
    malformed_title: "We couldn’t read that form",
    malformed_remedy: "Please open the page again and retry.",
    unavailable_title: "Back in a moment",
    back_to_start: "Back to the start",

    just_now: "just now",
    minutes_ago: "{} min ago",
    hours_ago: "{} h ago",
    days_ago: "{} d ago",
};

static ZH: Texts = Texts {
    locale: Locale::Zh,
    tag: "zh",
    lang: "zh-Hans",
    name: "中文",
    language: "语言",
    error: "出错了",

    sign_in: "登录",
    phone_title: "登录{}",
    phone_lead: "使用短信验证码登录，无需密码。",
    phone_label: "手机号",
    phone_hint: "其他国家或地区的号码，请以 + 和区号开头。",
    phone_button: "获取验证码",
    phone_fine: "第一次来？首次登录会自动创建账号。",
    code_title: "请查看短信",
    code_lead: "{} 位验证码已发送至",
    code_change: "更换号码",
    code_label: "验证码",
    resend_ask: "没有收到？",
    resend: "重新发送",
    resend_wait: "{} 秒后可重新发送",
    resend_note: "{} 秒后可以再次获取。",
    dev_hint: "这里不会发送真实短信，验证码请看",

    home_title: "已登录",
    home_lead: "当前手机号",
    sessions_title: "登录的设备",
    this_device: "本机",
    unknown_device: "未知设备",
    sign_out: "退出",
    everywhere_lead: "设备丢失，或发现陌生设备？",
    everywhere: "退出所有设备",

    outbox_title: "开发发件箱",
    outbox_lead: "真实短信网关本会发出的消息，最新的在最前。",
    outbox_filter: "只看发往",
    outbox_refresh: "刷新",
    outbox_empty: "还没有消息。请先在登录页获取验证码。",

    phone_invalid: "手机号格式不正确，请检查后重试。",
    phone_not_allowed: "暂不支持向该号码发送短信，请换用受支持地区的手机号。",
    code_malformed: "请输入完整的验证码，只能包含数字。",
    code_incorrect: "验证码不正确，还可以尝试 {} 次。",
    code_incorrect_last: "验证码不正确，只剩最后 1 次机会。",
    code_gone: "验证码已过期或已失效，请重新获取。",
    not_delivered: "短信未能送达，请检查号码或重新发送。",
    wait_seconds: "操作过于频繁，请在 {} 秒后重试。",
    wait_minutes: "操作过于频繁，请在 {} 分钟后重试。",
    unavailable: "服务暂时不可用，请稍后重试。",
    code_sent: "验证码已重新发送。",
    signed_out: "您已退出登录。",

    refused_title: "请求不是来自本站页面",
    refused_remedy: "为了您的安全，我们只接受从 {} 提交的表单，请打开该地址后重试。",
    malformed_title: "无法读取提交的内容",
    malformed_remedy: "请重新打开页面再试。",
    unavailable_title: "服务暂时不可用",
    back_to_start: "返回首页",

    just_now: "刚刚",
    minutes_ago: "{} 分钟前",
    hours_ago: "{} 小时前",
    days_ago: "{} 天前",
};

/// Every language, in the order in which the pages offer them.
pub(super) static ALL: [&Texts; 2] = [&EN, &ZH];

/// The texts of a language.
pub(super) fn texts(locale: Locale) -> &'static Texts {
    match locale {
        Locale::En => &EN,
        Locale::Zh => &ZH,
    }
}

/// The language chosen by hand, else the one that the browser asks for.
pub(super) fn choose(request: &HttpRequest, accepted: Option<Locale>) -> &'static Texts {
    let by_hand = request
        .cookie(COOKIE)
        .and_then(|cookie| Locale::from_tag(cookie.value()));
    texts(by_hand.or(accepted).unwrap_or_default())
}

/// The text with `value` in the place of `{}`.
pub(super) fn fill(text: &str, value: impl Display) -> String {
    text.replacen("{}", &value.to_string(), 1)
}

impl Texts {
    /// How long ago something was that happened `age` seconds ago.
    pub(super) fn ago(&self, age: u64) -> String {
        match age {
            0..60 => self.just_now.to_owned(),
            60..3600 => fill(self.minutes_ago, age / 60),
            3600..86400 => fill(self.hours_ago, age / 3600),
            _ => fill(self.days_ago, age / 86400),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::cookie::Cookie;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_language_chosen_by_hand_wins() {
        let by_hand = TestRequest::default()
            .cookie(Cookie::new(COOKIE, "zh"))
            .to_http_request();
        assert_eq!(choose(&by_hand, Some(Locale::En)).tag, "zh");
        assert_eq!(
            choose(&TestRequest::default().to_http_request(), Some(Locale::Zh)).tag,
            "zh"
        );
        assert_eq!(
            choose(&TestRequest::default().to_http_request(), None).tag,
            "en"
        );
    }

    #[test]
    fn times_are_told_in_the_largest_whole_unit() {
        assert_eq!(EN.ago(59), "just now");
        assert_eq!(EN.ago(61), "1 min ago");
        assert_eq!(ZH.ago(7200), "2 小时前");
        assert_eq!(EN.ago(3 * 86400), "3 d ago");
    }
}
