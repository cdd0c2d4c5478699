"""What the report page says, in English and Chinese."""

WORDS = {
    "title": ("Report a problem", "上报问题"),
    "code": ("Code on the label", "标签上的编码"),
    "what": ("What is wrong?", "出了什么问题？"),
    "other_group": ("Something else", "其他"),
    "words": ("In your own words, if you like", "补充说明（选填）"),
    "words_hint": (
        "Where exactly, and what you saw. Please give no names or telephone numbers: nobody asks who you are.",
        "具体位置和您看到的情况。请勿填写姓名、电话等个人信息，上报无需说明身份。",
    ),
    "send": ("Send the report", "提交"),
    "danger": (
        "If somebody is in danger, call the emergency services first.",
        "如有人身危险，请先拨打报警或急救电话。",
    ),
    "wrong": ("The report is not sent yet", "尚未提交"),
    "choose": ("Say what is wrong: choose one of these.", "请选择问题类型。"),
    "no_code": (
        "That cannot be a code. Type it as it stands on the label, or leave it empty.",
        "编码格式不正确。请按标签上的内容填写，或留空。",
    ),
    "nowhere": (
        "Type the code on the label, so that it can be found.",
        "请填写标签上的编码，以便找到该设施。",
    ),
    "far": (
        "The place that came with the link lies outside the city and is left out. "
        "Check the code on the label, then send the report again.",
        "链接附带的位置不在本市范围内，已忽略。请核对标签上的编码后重新提交。",
    ),
    "too_long": ("That is longer than 2,000 characters.", "内容超过2000个字符。"),
    "too_many": (
        "Many reports came from this connection within an hour. Try again in {0} minutes; what you typed stays here.",
        "该网络一小时内上报次数过多，请在{0}分钟后重试。您填写的内容仍保留在此页。",
    ),
    "arrived": ("Your report has arrived", "已收到您的上报"),
    "arrived_words": (
        "Somebody at the city looks at it before anybody is sent out.",
        "工作人员核实后将安排处理。",
    ),
    "known": ("It is known already, and your report has been added.", "该问题此前已有上报，您的上报已合并记录。"),
    "number": ("Its number, should you ask about it:", "上报编号（查询时请提供）："),
    "keep": (
        "Keep the number. There is no page yet that shows what became of a report.",
        "请保存编号。目前还没有可查询处理进度的页面。",
    ),
    "back": ("Back to the facility", "返回设施页面"),
    "again": ("Report something else", "上报其他问题"),
}
