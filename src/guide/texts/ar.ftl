### Every text that reaches a person, in Arabic. { $program } is the host program's name and may stand in any of them.

## The form

group-server = الإرسال
field-protocol = الإرسال عبر
choice-protocol-smtp = مزوّد بريدي الإلكتروني (SMTP)
choice-protocol-http = خدمة ويب (ترحيل HTTP)
help-protocol = يختار معظم الناس مزوّد بريدهم الإلكتروني.
field-http_server = عنوان خدمة الويب
help-http_server = العنوان الذي أعطاك إياه مشغّل خدمة الويب.
placeholder-http_server = https://email.example.com/
field-http_token = رمز الوصول
help-http_token = فقط إذا أعطاك مشغّل خدمة الويب رمزًا.
field-smtp_host = خادم SMTP
help-smtp_host = اسم خادم البريد الصادر لدى مزوّدك، مثل smtp.gmail.com أو smtp.mail.yahoo.com أو smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = المنفذ
help-smtp_port = المنفذان المعتادان هما 465 و587. تبيّن صفحات المساعدة لدى مزوّدك أيّهما تستخدم.
placeholder-smtp_port = 587
field-smtp_security = التشفير
help-smtp_security = الخيار «تلقائي» يناسب جميع الخوادم تقريبًا: TLS على المنفذ 465، وSTARTTLS على كل منفذ آخر. أما الاتصال الذي لا يمكن تشفيره فلا يُستخدم.
choice-smtp_security-auto = تلقائي (موصى به)
choice-smtp_security-tls = TLS من البداية (معتاد على المنفذ 465)
choice-smtp_security-starttls = STARTTLS (معتاد على المنفذ 587)
choice-smtp_security-none = بلا تشفير: كل شيء يُنقل مقروءًا
field-allow_insecure_login = إرسال كلمة المرور بلا تشفير
help-allow_insecure_login = عندئذٍ يستطيع أي شخص على الطريق إلى الخادم قراءة كلمة المرور. يصلح هذا فقط لخادم على شبكتك الخاصة.
field-auth = تسجيل الدخول بواسطة
choice-auth-password = اسم المستخدم وكلمة المرور
choice-auth-oauth2 = تسجيل الدخول لدى المزوّد (OAuth 2.0)
help-auth = بعض المزوّدين، مثل Microsoft 365، لا يسمحون للبرامج بالإرسال إلا بعد تسجيل الدخول في صفحتهم.
field-username = اسم المستخدم
help-username = غالبًا ما يكون عنوان بريدك الإلكتروني الكامل. اتركه فارغًا إذا كان الخادم لا يطلب تسجيل الدخول.
placeholder-username = name@example.com
field-mailbox = صندوق بريد آخر
help-mailbox = فقط إذا كنت ترسل من صندوق بريد غير صندوقك، مثل صندوق مشترك. يبقى حسابك أنت هو الذي يسجّل الدخول.
placeholder-mailbox = office@example.com
field-email_address = عنوان البريد الإلكتروني
help-email_address = العنوان الذي تُرسل منه رسائلك.
placeholder-email_address = name@example.com
field-password = كلمة المرور
help-password = كلمة مرور حساب البريد الإلكتروني هذا. إذا كانت هناك كلمة مرور محفوظة، فاترك هذا الحقل فارغًا للإبقاء عليها.
help-password-app_password = يطلب المزوّد { $provider } هنا كلمة مرور تطبيق، لا كلمة مرورك المعتادة.
help-password-two_steps = إذا كان التحقّق بخطوتين مفعّلًا، فإن المزوّد { $provider } يطلب هنا كلمة مرور تطبيق، لا كلمة مرورك المعتادة.
help-password-not_for_long = يعمل المزوّد { $provider } على إيقاف تسجيل الدخول بكلمة المرور في برامج البريد. إذا رُفض الاختبار، فاطلب من مسؤول النظام السماح به (Authenticated SMTP).
help-password-key = يطلب المزوّد { $provider } هنا مفتاحًا يُنشأ على موقعه.
help-password-no_password = لم يعد المزوّد { $provider } يسمح للبرامج بتسجيل الدخول بكلمة مرور. استخدم حساب بريد إلكتروني آخر للإرسال.
field-sender_name = اسم المرسِل
help-sender_name = الاسم الذي يراه من تراسلهم، وهو عادةً اسم شركتك.
field-send_copy = إرسال نسخة من كل رسالة إلى هذا العنوان
help-send_copy = لسجلاتك الخاصة. لا يراها من تراسلهم.
field-copy_to = عنوان النُّسخ
help-copy_to = افصل بين العناوين المتعددة بفواصل.
placeholder-copy_to = archive@example.com
field-different_reply_to = تلقّي الردود على عنوان غير العنوان الذي تُرسل منه
help-different_reply_to = عندئذٍ تصل الردود إلى العنوان أدناه.
field-reply_to = عنوان الرد
help-reply_to = افصل بين العناوين المتعددة بفواصل.
placeholder-reply_to = office@example.com
field-allow_untrusted_certificate = الوثوق بالشهادة الخاصة بهذا الخادم
help-allow_untrusted_certificate = فقط لخادم تملكه أنت وشهادته موقَّعة ذاتيًا. شغّل الاختبار، وقارن البصمة التي يعرضها، ثم اقبلها.
field-trusted_certificate = بصمة الشهادة
help-trusted_certificate = بصمة SHA-256. تُملأ عندما تقبل الشهادة التي يعرضها الاختبار، وبعد ذلك لا تُقبل إلا تلك الشهادة.
button-test = اختبار إعدادات البريد الإلكتروني
button-update = تحديث
button-sign_in = تسجيل الدخول
button-sign_out = تسجيل الخروج
button-email = بريد إلكتروني
page-signed_in-title = تم تسجيل الدخول
page-signed_in = يمكنك إغلاق هذه الصفحة والعودة إلى { $program }.
page-not_signed_in-title = لم يتم تسجيل الدخول
page-not_signed_in = عد إلى { $program }: ستجد السبب هناك.

why_not-fields = ما زالت بعض الحقول تحتاج إلى انتباهك.

## Providers: what to do there, step by step

proposal-provider = استخدم خادم المزوّد { $provider }، وهو { $host } على المنفذ { $port }.
proposal-autoconfig = ينشر النطاق { $domain } هذه الإعدادات: { $host } على المنفذ { $port }.
proposal-srv = يسمّي النطاق { $domain } الخادم { $host } خادمًا لإرسال رسائله.
proposal-mx = رسائل النطاق { $domain } محفوظة لدى { $provider }، وهذه إعداداته.
proposal-probe = يستجيب الخادم { $host } على المنفذ { $port } بتشفير.

steps-required-1 = سجّل الدخول على موقع المزوّد { $provider } وابحث عن كلمات مرور التطبيقات في إعدادات الأمان.
steps-required-2 = أنشئ كلمة مرور جديدة وسمّها { $program }.
steps-required-3 = انسخ كلمة المرور المعروضة هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-with_two_steps-1 = إذا كان التحقّق بخطوتين مفعّلًا لدى المزوّد { $provider }، فأنشئ هناك في إعدادات الأمان كلمة مرور تطبيق باسم { $program }.
steps-with_two_steps-2 = انسخها هنا إلى حقل كلمة المرور. ومن دون التحقّق بخطوتين أدخل كلمة مرورك المعتادة.
steps-not_for_long-1 = اطلب من مسؤول حسابك لدى المزوّد { $provider } السماح للبرامج بتسجيل الدخول بكلمة مرور.
steps-not_for_long-2 = أدخل هنا كلمة مرور صندوق البريد.
steps-no_password-1 = استخدم حساب بريد إلكتروني آخر للإرسال: لا يسمح المزوّد { $provider } للبرامج بتسجيل الدخول بكلمة مرور.
steps-key-1 = سجّل الدخول على موقع المزوّد { $provider } وأنشئ مفتاحًا أو بيانات دخول لبروتوكول SMTP.
steps-key-2 = انسخ اسم المستخدم والمفتاح إلى الحقول هنا.
steps-none-1 = أدخل كلمة المرور التي تسجّل بها الدخول إلى { $provider }.
steps-unknown-1 = تحقّق في إعدادات المزوّد { $provider } من السماح للبرامج الأخرى بالإرسال عبر صندوق بريدك.
steps-unknown-2 = أدخل كلمة المرور التي تسجّل بها الدخول. وإذا كانت لدى المزوّد { $provider } كلمات مرور للتطبيقات، فأنشئ واحدة للبرنامج { $program } وأدخلها بدلًا منها.

steps-gmail-1 = افتح صفحة الأمان في حسابك على Google وفعّل التحقّق بخطوتين إن لم يكن مفعّلًا بعد.
steps-gmail-2 = افتح «كلمات مرور التطبيقات»، وأدخل { $program } اسمًا لها، واختر «إنشاء».
steps-gmail-3 = انسخ الأحرف الستة عشر التي يعرضها Google هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-google-workspace-1 = افتح صفحة الأمان في حسابك على Google وفعّل التحقّق بخطوتين إن لم يكن مفعّلًا بعد.
steps-google-workspace-2 = افتح «كلمات مرور التطبيقات»، وأدخل { $program } اسمًا لها، واختر «إنشاء».
steps-google-workspace-3 = انسخ الأحرف الستة عشر التي يعرضها Google هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-google-workspace-4 = إذا لم تكن هناك صفحة لكلمات مرور التطبيقات، فاطلب من مسؤول Google Workspace السماح بها.
steps-outlook-personal-1 = استخدم حساب بريد إلكتروني آخر للإرسال: لم يعد المزوّد { $provider } يسمح للبرامج بتسجيل الدخول بكلمة مرور.
steps-outlook-personal-2 = لتصلك الردود مع ذلك على عنوانك لدى المزوّد { $provider }، أدخله عنوانًا للرد.
steps-microsoft365-1 = افتح مركز إدارة Microsoft 365 واختر «المستخدمون» ثم «المستخدمون النشطون» ثم صندوق البريد الذي يرسل منه البرنامج { $program }. وإن لم تكن المسؤول، فاطلب ذلك من مسؤولك.
steps-microsoft365-2 = اختر في علامة التبويب «البريد» إدارة تطبيقات البريد الإلكتروني، وفعّل Authenticated SMTP، واحفظ التغييرات.
steps-microsoft365-3 = أدخل هنا عنوان صندوق البريد وكلمة مروره، واختبر الإعدادات.
steps-yahoo-1 = سجّل الدخول وافتح صفحة أمان الحساب.
steps-yahoo-2 = اختر إنشاء كلمة مرور للتطبيق، وأدخل { $program } اسمًا للتطبيق، ثم أنشئ كلمة المرور.
steps-yahoo-3 = انسخ كلمة المرور المعروضة هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-att-1 = سجّل الدخول إلى حسابك لدى AT&T وأنشئ مفتاح بريد آمنًا (secure mail key) لعنوانك.
steps-att-2 = انسخ المفتاح هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-icloud-1 = فعّل المصادقة الثنائية لحسابك على Apple إن لم تكن مفعّلة بعد.
steps-icloud-2 = سجّل الدخول على account.apple.com، وافتح «تسجيل الدخول والأمان»، واختر «كلمات السر الخاصة بالتطبيقات»، وأنشئ واحدة باسم { $program }.
steps-icloud-3 = انسخ كلمة المرور المعروضة هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-gmx-1 = سجّل الدخول على موقع المزوّد { $provider } واسمح بالوصول عبر POP3 وIMAP في إعدادات البريد: فهو لازم للإرسال أيضًا.
steps-gmx-2 = إذا كانت المصادقة الثنائية مفعّلة، فأنشئ في قسم الأمان من حسابك كلمة مرور خاصة بالتطبيق.
steps-gmx-3 = أدخل كلمة المرور هذه هنا. ومن دون المصادقة الثنائية أدخل كلمة مرورك المعتادة.
steps-tonline-1 = سجّل الدخول إلى مركز عملاء Telekom وعيّن كلمة مرور لبرامج البريد.
steps-tonline-2 = أدخل كلمة المرور هذه هنا: فهي ليست التي تسجّل بها الدخول.
steps-fastmail-1 = سجّل الدخول إلى Fastmail وافتح Settings ثم Privacy & Security ثم Integrations (أو Connected apps).
steps-fastmail-2 = اختر New app password، وأدخل { $program } اسمًا لها، واترك الوصول إلى البريد مفعّلًا.
steps-fastmail-3 = انسخ كلمة المرور المعروضة هنا إلى حقل كلمة المرور.
steps-zoho-1 = سجّل الدخول إلى حسابك على Zoho وافتح Security ثم App Passwords.
steps-zoho-2 = اختر Generate New Password وأدخل { $program } اسمًا لها.
steps-zoho-3 = انسخ كلمة المرور المعروضة هنا إلى حقل كلمة المرور. ومن دون المصادقة المتعدّدة تصلح كلمة مرورك المعتادة أيضًا.
steps-proton-1 = تحقّق من أن لديك عنوانًا على نطاق خاص بك واشتراكًا يشمل SMTP: فالإرسال غير ممكن بغيرهما.
steps-proton-2 = افتح IMAP/SMTP في الإعدادات، واختر إنشاء رمز، وأدخل { $program } اسمًا له، واختر العنوان.
steps-proton-3 = أدخل هذا العنوان هنا اسمًا للمستخدم، وانسخ الرمز إلى حقل كلمة المرور.
steps-yandex-1 = افتح إعدادات Yandex Mail واختر Email clients واسمح بالوصول بكلمات مرور التطبيقات.
steps-yandex-2 = افتح App passwords في Yandex ID وأنشئ واحدة للخدمة Mail باسم { $program }.
steps-yandex-3 = انسخ كلمة المرور المعروضة هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-mailru-1 = سجّل الدخول إلى حسابك على Mail.ru وافتح إعدادات الأمان ثم كلمات مرور التطبيقات الخارجية.
steps-mailru-2 = أضف واحدة باسم { $program } وامنحها الوصول إلى البريد عبر IMAP وPOP وSMTP.
steps-mailru-3 = انسخ كلمة المرور المعروضة هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-qq-1 = سجّل الدخول إلى QQ Mail وافتح الإعدادات ثم الحساب، وفعّل خدمة POP3/IMAP/SMTP.
steps-qq-2 = أنشئ رمز تفويض وأكّده بهاتفك.
steps-qq-3 = انسخ الرمز هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-netease-1 = سجّل الدخول إلى صندوق بريدك وافتح الإعدادات ثم POP3/SMTP/IMAP، وفعّل SMTP.
steps-netease-2 = أنشئ رمز تفويض وأكّده بهاتفك.
steps-netease-3 = انسخ الرمز هنا إلى حقل كلمة المرور، بدلًا من كلمة مرورك المعتادة.
steps-no_programs-1 = استخدم حساب بريد إلكتروني آخر للإرسال: لا يمكن استخدام { $provider } إلا في تطبيقاته الخاصة.
steps-no_programs-2 = لتصلك الردود مع ذلك على عنوانك لدى المزوّد { $provider }، أدخله عنوانًا للرد.
steps-sendgrid-1 = سجّل الدخول إلى SendGrid وأنشئ مفتاح API باسم { $program } مع إذن إرسال البريد.
steps-sendgrid-2 = أدخل هنا الكلمة apikey اسمًا للمستخدم.
steps-sendgrid-3 = انسخ المفتاح إلى حقل كلمة المرور.
steps-mailgun-1 = سجّل الدخول إلى Mailgun وافتح Sending ثم Domain settings، واختر نطاقك، وافتح SMTP credentials.
steps-mailgun-2 = أدخل هنا اسم الدخول المعروض كاملًا اسمًا للمستخدم.
steps-mailgun-3 = أعد تعيين كلمة مروره هناك، وانسخ الجديدة إلى حقل كلمة المرور.
steps-postmark-1 = سجّل الدخول إلى Postmark وافتح خادمك ثم API Tokens، وانسخ رمز API الخاص بالخادم.
steps-postmark-2 = أدخل الرمز هنا مرّتين: اسمًا للمستخدم وكلمةً للمرور.
steps-ses-1 = افتح وحدة تحكّم SES في المنطقة التي ترسل منها، ثم SMTP settings، واختر Create SMTP credentials.
steps-ses-2 = انسخ اسم مستخدم SMTP وكلمة مرور SMTP إلى الحقول هنا. وهما ليسا مفاتيح الوصول إلى AWS.
steps-ses-3 = تحقّق من أن الخادم هنا هو خادم تلك المنطقة.
steps-brevo-1 = سجّل الدخول إلى Brevo وافتح SMTP & API ثم علامة التبويب SMTP.
steps-brevo-2 = أدخل هنا اسم الدخول المعروض هناك اسمًا للمستخدم.
steps-brevo-3 = أنشئ مفتاح SMTP باسم { $program } وانسخه إلى حقل كلمة المرور. ولا يعمل مفتاح API هنا.
steps-resend-1 = سجّل الدخول إلى Resend وأنشئ مفتاح API باسم { $program } مع صلاحية الإرسال.
steps-resend-2 = أدخل هنا الكلمة resend اسمًا للمستخدم.
steps-resend-3 = انسخ المفتاح إلى حقل كلمة المرور.
steps-mailjet-1 = سجّل الدخول إلى Mailjet وافتح صفحة مفاتيح API.
steps-mailjet-2 = أدخل هنا مفتاح API اسمًا للمستخدم والمفتاح السري كلمةً للمرور.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = هذا الخادم مخصَّص لتلقّي الرسائل. لإرسالها استخدم خادم المزوّد { $provider }، وهو { $host }.
warning-port_25 = المنفذ 25 مخصَّص للبريد بين الخوادم، ويحجبه كثير من مزوّدي الإنترنت. استخدم 587 أو 465 إذا كان مزوّدك يوفّرهما.
warning-no_encryption = تُنقل رسائلك والمستندات التي فيها مقروءةً لأي شخص على الطريق.
warning-own_certificate = لا يوثق إلا بالشهادة التي لها هذه البصمة. عندما يحصل الخادم على شهادة جديدة، شغّل الاختبار مرة أخرى واقبلها.

fault-required = هذه المعلومة مطلوبة.
fault-required-http_server = أدخل عنوان خدمة الويب.
fault-required-smtp_host = أدخل اسم خادم SMTP لدى مزوّدك.
fault-required-smtp_port = أدخل المنفذ: 587 أو 465 لدى معظم المزوّدين.
fault-required-username = أدخل عنوان البريد الإلكتروني للحساب الذي يسجّل الدخول.
fault-required-email_address = أدخل عنوان البريد الإلكتروني الذي تُرسل منه.
fault-required-password = أدخل كلمة مرور هذا الحساب.
fault-required-copy_to = أدخل العنوان الذي يتلقّى النُّسخ، أو ألغِ تحديد المربع الذي يطلبه.
fault-required-reply_to = أدخل العنوان الذي تصل إليه الردود.
fault-required-trusted_certificate = شغّل الاختبار واقبل الشهادة التي يعرضها، أو ألغِ تحديد المربع الذي يطلبها.
fault-password_again = كلمة المرور المحفوظة تخصّ خادمًا أو منفذًا أو تشفيرًا أو اسم مستخدم آخر. أدخل كلمة المرور مرة أخرى.
fault-password_without_username = أدخل اسم المستخدم المرافق لكلمة المرور، أو امسح كلمة المرور.
fault-token_in_clear = ستُنقل بيانات تسجيل الدخول مقروءةً بلا تشفير. اختر تشفيرًا آخر.
fault-not_signed_in = سجّل الدخول أولًا: لا يوجد تسجيل دخول لهذا الحساب بعد.
fault-sign_in_settings_changed = تغيّرت الإعدادات في هذه الأثناء، لذلك لم يُحفظ تسجيل الدخول هذا. سجّل الدخول من جديد.
fault-no_sign_in_here = لا يُعرف لهذا الخادم تسجيل دخول لدى المزوّد. استخدم اسم المستخدم وكلمة المرور.
fault-no_client = لا يستطيع { $program } تسجيل الدخول لدى { $provider } بعد: على صانعه أن يسجّله هناك أولًا.
fault-choice_unknown = القيمة { $value } ليست من الخيارات المتاحة: { $choices }.
fault-host_has_scheme = احذف «{ $scheme }»: يُكتب هنا اسم الخادم فقط، مثل smtp.example.com.
fault-host_has_port = احذف من هنا النقطتين ورقم المنفذ { $port }: للمنفذ حقل خاص به.
fault-host_has_path = احذف كل شيء ابتداءً من «/»: يُكتب هنا اسم الخادم فقط.
fault-host_has_space = لا يحتوي اسم الخادم على مسافات.
fault-host_is_address = هذا عنوان بريد إلكتروني. المطلوب هنا اسم الخادم، مثل smtp.example.com.
fault-host_invalid = هذا ليس اسم خادم. مثال على اسم خادم: smtp.example.com.
fault-port_invalid = المنفذ عدد صحيح من 1 إلى 65535، والمعتادان هما 587 و465.
fault-url_invalid = هذا ليس عنوان ويب. مثال على عنوان ويب: https://email.example.com.
fault-url_not_web = لا تعمل هنا إلا العناوين التي تبدأ بـ https.
fault-url_not_secure = سيُنقل المستند بلا تشفير: استخدم https بدلًا من http.
fault-url_has_login = احذف الاسم وكلمة المرور من العنوان: لرمز الوصول حقل خاص به.
fault-username_control = في اسم المستخدم فاصل أسطر أو حرف آخر غير مرئي. اكتبه من جديد بدلًا من لصقه.
fault-secret_control = في النص فاصل أسطر أو حرف آخر غير مرئي. اكتبه من جديد بدلًا من لصقه.
fault-fingerprint_invalid = تتكوّن بصمة SHA-256 من 64 خانة من 0 إلى 9 ومن A إلى F.
fault-insecure_login = ستُنقل كلمة المرور مقروءةً بلا تشفير. اختر تشفيرًا آخر، أو حدّد هذا المربع إذا كان هذا ما تريده.
fault-established_provider = ألغِ تحديد هذا المربع: لدى المزوّد { $provider } شهادة معتمدة، وإذا رُفضت فقد تصل كلمة مرورك إلى جهة ما على الطريق.
fault-too_long_text = هذا النص أطول من اللازم. الحد الأقصى لعدد الأحرف: { $limit }.

fault-too_long = عدد البايتات أكبر من اللازم: { $bytes }. الحد الأقصى: { $limit }.
fault-bad_json = هذا ليس JSON: الخطأ في السطر { $line }، العمود { $column }.
fault-wrong_type = النوع المتوقَّع: { $expected }؛ النوع الوارد: { $found }.
type-an_object = كائن
type-text = نص
type-true_or_false = true أو false
type-true_or_false_or_an_object = true أو false أو كائن
type-a_number = رقم
type-a_list = قائمة
type-text_or_a_list_of_texts = نص أو قائمة نصوص
type-a_number_or_text = رقم أو نص
type-a_host_name = اسم خادم
type-a_link_or_null = رابط أو null
type-null = null
fault-out_of_range = يجب أن تكون القيمة من { $least } إلى { $most }.
fault-unknown_key = لا يوجد مفتاح بهذا الاسم.
fault-unknown_key_near = لا يوجد مفتاح بهذا الاسم. هل المقصود { $nearest }؟

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] قيمة pdf هي NULL، وليس في email_json قيمة document.path: أعطِ بايتات ملف PDF أو مساره.
   *[other] قيمة { $argument } هي NULL.
}
call-bad_utf8 = القيمة { $argument } ليست بترميز UTF-8: أول بايت خاطئ في الموضع { $position }.
call-null_with_length = قيمة { $argument } هي NULL، لكن طولها بالبايت هو { $length }.
call-bad_length = طول القيمة { $argument } بالبايت هو { $bytes }، وهذا أكثر مما يمكن لهذا الجهاز الاحتفاظ بنسخة منه.
fault-key_needs_store = لا أثر لهذا من دون store.
fault-one_key_only = لا يمكن إعطاء أكثر من واحد من key وpassphrase وkeychain.
fault-wrong_type_expected = النوع المتوقَّع: { $expected }.

fault-control_character = في هذا النص حرف لا يمكن إرساله ({ $character })، مثل فاصل الأسطر. اكتبه من جديد بدلًا من لصقه.
fault-bidi_character = في هذا النص حرف غير مرئي يغيّر اتجاه النص ({ $character }). اكتبه من جديد بدلًا من لصقه.

fault-address_empty = ينقص عنوان هنا.
fault-address_no_at = { $address } ليس عنوان بريد إلكتروني: تنقصه العلامة «@».
fault-address_several_at = { $address } ليس عنوان بريد إلكتروني: فيه أكثر من علامة «@» واحدة.
fault-address_missing_separator = { $address }: ضع فاصلة بين كل عنوانين.
fault-address_no_local = { $address } ليس عنوان بريد إلكتروني: ينقصه الجزء الذي قبل «@».
fault-address_no_domain = { $address } ليس عنوان بريد إلكتروني: ينقصه الجزء الذي بعد «@».
fault-address_space = { $address } ليس عنوان بريد إلكتروني: فيه مسافة.
fault-address_invisible_character = في العنوان حرف غير مرئي ({ $character }). اكتبه من جديد بدلًا من لصقه.
fault-address_local_too_long = الجزء الذي قبل «@» أطول من اللازم: طوله بالبايت { $bytes }، والحد الأقصى { $limit }.
fault-address_too_long = العنوان أطول من اللازم: طوله بالبايت { $bytes }، والحد الأقصى { $limit }.
fault-address_bad_domain = { $domain } ليس نطاق عنوان بريد إلكتروني.
fault-address_bad_local = لا يمكن أن يأتي { $local } قبل «@» في عنوان بريد إلكتروني.
fault-mailbox_quote = { $text }: تنقص علامة اقتباس.
fault-mailbox_bracket = { $text }: يجب أن يكون العنوان بين القوسين الزاويين < >.
fault-mailbox_text_after_address = { $text }: لا يجوز أن يأتي شيء بعد القوس الزاوي الأخير.
fault-mailbox_missing_separator = { $text }: ضع فاصلة بين كل عنوانين.
fault-too_many_recipients = عدد المستلمين أكبر من اللازم لرسالة واحدة: { $number }. الحد الأقصى: { $limit }.
fault-one_address_only = أدخل عنوانًا واحدًا فقط.
fault-no_recipients = أدخل مستلمًا واحدًا على الأقل.
fault-header_too_long = هذا النص أطول من اللازم لرسالة بريد: طوله بالبايت { $bytes }، والحد الأقصى { $limit }.
fault-file_name_empty = يحتاج الملف إلى اسم.
fault-file_name_dots = «{ $name }» ليس اسم ملف.
fault-file_name_separator = لا يمكن أن يحتوي اسم الملف على «{ $character }».
fault-file_name_encoded_word = لا يمكن أن يحتوي اسم الملف على علامة مساواة تليها علامة استفهام (=?): ستعرض بعض برامج البريد اسمًا آخر.
fault-file_name_too_long = اسم الملف أطول من اللازم: طوله بالبايت { $bytes }، والحد الأقصى { $limit }.
fault-file_missing = الملف { $path } غير موجود.
fault-file_is_folder = { $path } مجلد وليس ملفًا.
fault-file_not_regular = { $path } ليس ملفًا عاديًا.
fault-file_changed = تغيّر الملف { $path } أثناء قراءته. أعد المحاولة عندما يكتمل.
fault-file_unreadable = لا يمكن قراءة الملف { $path }: { $error }.
fault-files_too_large = حجم المستند والمرفقات معًا أكبر من اللازم. الحد الأقصى بالبايت: { $limit }.
fault-files_no_memory = لا تكفي الذاكرة لهذا العدد من البايتات: { $bytes }.
fault-pdf_empty = ملف PDF فارغ: ليس فيه أي بايت.
fault-pdf_not_a_pdf = هذا ليس ملف PDF: لا توجد في أول 1024 بايت منه العلامة التي تبدأ بها ملفات PDF.
fault-document_twice = يمكن إعطاء بايتات ملف PDF أو مساره، لا كليهما.
fault-attachment_twice = يمكن إعطاء path أو base64، لا كليهما.
fault-attachment_missing = يجب إعطاء path أو base64.
fault-file_name_missing = المرفق المعطى بصيغة base64 يحتاج إلى file_name.
fault-base64_bad = هذا ليس base64.
fault-type_bad = { $type } ليس نوع وسائط مثل application/pdf.
fault-type_composite = لا يمكن إرسال { $type } نوعًا لمرفق؛ استخدم application/octet-stream.
fault-body_twice = يمكن إعطاء body، أو body_html مع body_text.
fault-body_text_missing = يحتاج body_html إلى body_text معه، لبرامج القراءة التي لا تعرض HTML.
fault-body_html_missing = يأتي body_text مع body_html؛ استخدم body للنص وحده.
fault-idempotency_key_bad = يتكوّن المفتاح من أحرف ASCII المرئية، وعددها من 1 إلى { $limit }.
fault-access_token_bad = يتكوّن رمز الوصول من أحرف ASCII المرئية، وعددها من 1 إلى { $limit }.
fault-access_token_unused = لا تستخدم هذه الإعدادات رمز وصول: قيمة auth ليست oauth2.
fault-sign_in_unused = لا تتضمن هذه الإعدادات تسجيل دخول لدى المزوّد: قيمة auth ليست oauth2.
fault-flow_unknown = القيمة هي browser أو redirect أو device أو client_credentials.
fault-redirect_uri_bad = تتطلب القيمة redirect عنوان https:// خاصًا بك، بخلاف القيم الأخرى.
fault-sign_in_unknown = لا يوجد تسجيل دخول كهذا: إمّا أنه اكتمل من قبل، أو بدأ بكائن حساب آخر أو في عملية أخرى.
fault-callback_bad = ليس هذا العنوان الذي أرسل إليه المزوّد المتصفّح لتسجيل الدخول هذا.
fault-no_randomness = لم يوفّر النظام الأرقام العشوائية التي تحتاج إليها كل رسالة. أعد المحاولة.

fault-key_invalid = المفتاح ليس 32 بايت بترميز base64.
fault-passphrase_empty = عبارة المرور فارغة.
fault-ca_file_unreadable = لا يمكن قراءة ملف الشهادات: { $detail }.
fault-ca_file_invalid = لا يمكن استخدام إحدى الشهادات في هذا الملف: { $detail }.
fault-ca_file_empty = لا توجد أي شهادة في هذا الملف. يجب أن يكون بصيغة PEM.
fault-store_empty = مسار ملف الإعدادات فارغ.
fault-program_name_empty = اسم البرنامج فارغ.
fault-key_missing = هذا العنصر مطلوب.
fault-host_name_invalid = هذا ليس اسم خادم أو نطاق.
fault-link_invalid = هذا ليس عنوان صفحة ويب يبدأ بـ https:// ولا يحتوي على بيانات تسجيل دخول.
fault-provider_twice = يوجد صف آخر له المعرّف { $id }.
fault-locale_invalid = هذا ليس رمز لغة مثل en أو ro أو pt-BR.
fault-text_syntax = النص { $id } غير مكتوب بصيغة Fluent في السطر { $line }: { $detail }.
fault-text_unknown = لا يوجد نص بالمعرّف { $id } (السطر { $line }).
fault-text_twice = النص { $id } موجود مرتين (السطر { $line }).
fault-text_word = النص { $id } (السطر { $line }) يستخدم { $word }، وهو غير متاح له.
fault-hello_name_invalid = هذا ليس اسم مضيف يمكن إرساله مع EHLO.
fault-proxy_invalid = { $variable ->
    [none] هذا ليس عنوان خادم وكيل. مثال على العنوان: socks5://proxy.example.com:1080 أو http://user:password@proxy.example.com:3128، أو الكلمة environment.
   *[other] متغيّر البيئة { $variable } ليس عنوان خادم وكيل. مثال على العنوان: socks5://proxy.example.com:1080 أو http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] لا يمكن هنا استخدام خادم وكيل من نوع { $scheme }: أعطِ خادمًا من نوع socks5 أو http.
   *[other] متغيّر البيئة { $variable } يسمّي خادمًا وكيلًا من نوع { $scheme } لا يمكن استخدامه هنا: أعطِ خادمًا من نوع socks5 أو http.
}
fault-proxy_login_invalid = { $variable ->
    [none] لا يمكن استخدام اسم المستخدم أو كلمة المرور للخادم الوكيل: الحد الأقصى لكل منهما 255 بايت بلا فواصل أسطر، وتُكتب الأحرف الخاصة كما تُكتب في عناوين الويب، مثل name%40example.com بدلًا من name@example.com.
   *[other] لا يمكن استخدام اسم المستخدم أو كلمة المرور للخادم الوكيل في متغيّر البيئة { $variable }: الحد الأقصى لكل منهما 255 بايت بلا فواصل أسطر، وتُكتب الأحرف الخاصة كما تُكتب في عناوين الويب، مثل name%40example.com بدلًا من name@example.com.
}

fault-nameserver_invalid = هذا ليس عنوان خادم أسماء. يكون على شكل 192.0.2.53 أو 127.0.0.1:5353.

discovery-nothing = لم يُعثر على إعدادات للنطاق { $domain }: تجدها في صفحات المساعدة لدى مزوّدك.
discovery-canceled = أُلغي البحث عن الإعدادات.

settings-faults = { $count ->
    [zero] { $label }: { $message }
    [one] { $label }: { $message }
    [two] حقلان يحتاجان إلى انتباهك. أولهما { $label }: { $message }
    [few] { $count } حقول تحتاج إلى انتباهك. أولها { $label }: { $message }
    [many] { $count } حقلًا تحتاج إلى انتباهك. أولها { $label }: { $message }
   *[other] { $count } حقل تحتاج إلى انتباهك. أولها { $label }: { $message }
}
email-faults = لا يمكن إرسال الرسالة بهذا الشكل. { $message }
not_configured = لم يُعَدّ البريد الإلكتروني بعد. املأ إعدادات البريد الإلكتروني أولًا.

## The store

protection-memory = تُحفظ الإعدادات في الذاكرة فقط، وتزول عند إغلاق البرنامج { $program }.
protection-given_key = كلمة المرور مشفّرة في ملف الإعدادات بمفتاح يحتفظ به البرنامج { $program }.
protection-passphrase = كلمة المرور مشفّرة في ملف الإعدادات بمفتاح مشتق من عبارة مرور.
protection-keychain = كلمة المرور مشفّرة في ملف الإعدادات بمفتاح من سلسلة مفاتيح النظام.
protection-key_file = كلمة المرور مشفّرة في ملف الإعدادات. والمفتاح في ملف بجانبه لا يقرؤه إلا هذا المستخدم: من يستطيع قراءة الملفين يستطيع قراءة كلمة المرور.

store-damaged = ملف الإعدادات { $path } تالف ({ $detail }). تُرك كما هو. امسح الإعدادات وأدخلها من جديد، أو استعد الملف من نسخة احتياطية.
store-tampered = غيّرت جهةٌ أخرى غير البرنامج { $program } ملف الإعدادات { $path }. لذلك لا يُستخدم الملف حفاظًا على الأمان، وتُرك كما هو. امسح الإعدادات وأدخلها من جديد، أو استعد الملف من نسخة احتياطية.
store-wrong_key = لا يمكن فتح ملف الإعدادات { $path } بهذا المفتاح ({ $detail }). تُرك كما هو.
store-newer = كُتب ملف الإعدادات { $path } بإصدار أحدث من البرنامج { $program }. تُرك كما هو. حدّث البرنامج { $program }.
store-no_folder = لا يمكن استخدام المجلد { $path } لملف الإعدادات: { $detail }.
store-unreadable = لا يمكن قراءة ملف الإعدادات { $path }: { $detail }.
store-unwritable = تعذّر حفظ الإعدادات في { $path }: { $detail }. ما زالت الإعدادات السابقة سارية.
store-busy = يحفظ برنامج آخر الإعدادات في { $path } في هذه اللحظة. أعد المحاولة.
store-key_file_exposed = يستطيع مستخدمون آخرون لهذا الحاسوب قراءة ملف المفتاح { $path }، ولذلك فهو لا يحمي شيئًا. اجعل قراءته متاحة لمالكه فقط.
store-key_missing = ملف المفتاح { $path } الذي يفتح الإعدادات مفقود. استعده من نسخة احتياطية، أو امسح الإعدادات وأدخلها من جديد.
store-no_keychain = لا يمكن استخدام سلسلة مفاتيح النظام: { $detail }.

## The Email button

kind-invoice = فاتورة
kind-quote = عرض سعر
kind-order = طلب
kind-credit_note = إشعار دائن
kind-delivery_note = إذن تسليم
kind-receipt = إيصال
kind-reminder = تذكير بالدفع
kind-statement = كشف حساب
kind-payslip = قسيمة راتب
kind-report = تقرير
kind-document = مستند
button-subject = { $document }
button-subject_from = { $document } من { $sender }
button-body =
    مرحبًا { $name }،

    تجدون مرفقًا مع هذه الرسالة: { $document }.
button-body_no_name =
    مرحبًا،

    تجدون مرفقًا مع هذه الرسالة: { $document }.
button-closing =
    مع أطيب التحيات،
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = يبدو أن العنوان { $address } غير صحيح. هل المقصود { $meant }؟
check-recipient_twice = العنوان { $address } مكرّر بين المستلمين.
check-no_subject = ليس للرسالة موضوع.
check-no_body = ليس في الرسالة نص.
check-placeholder = يبدو أن { $placeholder } حقل لم يُملأ.
check-other_provider = العنوان { $sender } تابع للمزوّد { $provider }، لكن الرسالة تمرّ عبر { $other }: خوادم كثيرة تعدّ مثل هذه الرسائل مزوّرة. أرسل عبر { $provider }، أو من عنوان آخر.
check-over_size_limit = حجم الرسالة { $size }، والحد الأقصى لدى { $provider } هو { $limit }. صغّر حجم المرفقات، أو أرسل رابطًا بدلًا منها.
check-over_recipient_limit = عدد مستلمي الرسالة: { $number }، والحد الأقصى لدى { $provider } هو { $limit }. أرسلها إلى بعضهم في كل مرة.
check-no_reply_to = تصل الردود على هذه الرسالة إلى { $sender }، حيث لا يقرؤها أحد على الأرجح. أدخل عنوانًا للرد.

## The test mail

test_subject = رسالة تجريبية من { $program }
test_body =
    هذه رسالة تجريبية من { $program }.

    إذا أمكنك قراءتها، فإن إعدادات بريدك الإلكتروني تعمل.

## Progress

step-turn = انتظار إرسال رسائل أخرى أولًا
step-sign_in = تجديد تسجيل الدخول
step-name = البحث عن الخادم
step-connect = الاتصال
step-proxy = الاتصال عبر الخادم الوكيل
step-tls = تشفير الاتصال
step-greeting = تحية الخادم
step-login = تسجيل الدخول
step-sender = ذكر المرسِل
step-recipient = ذكر المستلمين
step-content = الإرسال
step-verdict = انتظار جواب الخادم

## What happened

problem-accepted = قبل الخادم الرسالة.
problem-accepted_partly = قبل الخادم الرسالة لبعض المستلمين، ورفض الآخرين.
test-accepted = الإعدادات تعمل: قبل الخادم رسالة تجريبية إلى { $recipient }.
problem-name_not_found = لم يُعثر على الخادم { $host }. لم تُرسل الرسالة.
problem-name_lookup_failed = تعذّر البحث عن الاسم { $host }: يبدو أنه لا يوجد اتصال بالإنترنت. لم تُرسل الرسالة.
problem-no_route = لا يوجد طريق من هذا الحاسوب إلى { $host }: الشبكة متوقفة أو غير متصلة. لم تُرسل الرسالة.
problem-connection_refused = رفض الخادم { $host } الاتصال على المنفذ { $port }. لم تُرسل الرسالة.
step-repair = تجربة منافذ أخرى
problem-connection_failed = تعذّر الاتصال بالخادم { $host } على المنفذ { $port }. لم تُرسل الرسالة.
problem-timed_out = { $step ->
    [name] تعذّر العثور على الاسم { $host } في الوقت المحدد. لم تُرسل الرسالة.
    [connect] لا يستجيب الخادم { $host } على المنفذ { $port }. لم تُرسل الرسالة.
    [content] توقّف الخادم { $host } عن تلقّي الرسالة قبل أن تكتمل. لم تُرسل الرسالة.
   *[other] توقّف الخادم { $host } عن الاستجابة. لم تُرسل الرسالة.
}
problem-out_of_time = استغرق الإرسال وقتًا أطول من المسموح. لم تُرسل الرسالة.
problem-disconnected = { $step ->
    [content] أغلق الخادم { $host } الاتصال قبل أن تكتمل الرسالة. لم تُرسل الرسالة.
   *[other] أغلق الخادم { $host } الاتصال. لم تُرسل الرسالة.
}
problem-name_not_found-proxy = لم يُعثر على الخادم الوكيل { $proxy }. لم تُرسل الرسالة.
problem-name_lookup_failed-proxy = تعذّر البحث عن اسم الخادم الوكيل { $proxy }: يبدو أنه لا يوجد اتصال بالشبكة. لم تُرسل الرسالة.
problem-no_route-proxy = لا يوجد طريق من هذا الحاسوب إلى الخادم الوكيل { $proxy }: الشبكة متوقفة أو غير متصلة. لم تُرسل الرسالة.
problem-connection_refused-proxy = رفض الخادم الوكيل { $proxy } الاتصال. لم تُرسل الرسالة.
problem-connection_failed-proxy = تعذّر الاتصال بالخادم الوكيل { $proxy }. لم تُرسل الرسالة.
problem-timed_out-proxy = { $step ->
    [name] تعذّر العثور على اسم الخادم الوكيل { $proxy } في الوقت المحدد. لم تُرسل الرسالة.
    [connect] لا يستجيب الخادم الوكيل { $proxy }. لم تُرسل الرسالة.
   *[other] لم يتصل الخادم الوكيل { $proxy } بالخادم { $host } في الوقت المحدد. لم تُرسل الرسالة.
}
problem-disconnected-proxy = أغلق الخادم الوكيل { $proxy } الاتصال بدلًا من أن يتصل بالخادم { $host }. لم تُرسل الرسالة.
problem-bad_reply-proxy = الجواب الوارد من { $proxy } ليس جواب خادم وكيل من النوع المحدَّد في الإعدادات. لم تُرسل الرسالة.
problem-proxy_login_refused = يطلب الخادم الوكيل { $proxy } اسم مستخدم وكلمة مرور، أو غير المحدَّدين في الإعدادات. لم تُرسل الرسالة.
problem-proxy_failed = لم يتصل الخادم الوكيل { $proxy } بالخادم { $host } على المنفذ { $port }. لم تُرسل الرسالة.
problem-bad_reply = الجواب الوارد من { $host } على المنفذ { $port } ليس الجواب المتوقَّع. لم تُرسل الرسالة.

problem-tls_failed = تعذّر إنشاء اتصال مشفّر بالخادم { $host }. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-tls_not_spoken = لا يستخدم الخادم { $host } تشفير TLS من البداية على المنفذ { $port }. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-tls_too_old = لا يعرف الخادم { $host } إلا تشفيرًا أقدم من أن يكون آمنًا. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-tls_not_offered = لا يوفّر الخادم { $host } التشفير على المنفذ { $port }. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-tls_refused = رفض الخادم { $host } بدء التشفير. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-bytes_before_tls = تدخّل شيء ما على الطريق إلى { $host } في بدء التشفير. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-certificate_untrusted = شهادة الخادم { $host } ليست صادرة عن جهة يثق بها هذا الحاسوب. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-certificate_expired = انتهت صلاحية شهادة الخادم { $host } ({ $expires }). لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-certificate_not_yet_valid = شهادة الخادم { $host } صالحة ابتداءً من هذا التاريخ فقط: { $begins }. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-certificate_wrong_name = { $names_known ->
    [yes] الشهادة التي يعرضها الخادم { $host } تخصّ اسمًا آخر ({ $names }). لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
   *[other] الشهادة التي يعرضها الخادم { $host } ليست لهذا الاسم. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
}
problem-certificate_invalid = لا يمكن قبول شهادة الخادم { $host }. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-certificate_changed = يعرض الخادم { $host } شهادة غير التي قبلتها. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-login_in_clear = الاتصال بالخادم { $host } غير مشفّر، ولذلك لم تُرسل كلمة المرور. ولم تُرسل الرسالة أيضًا.
problem-token_in_clear = الاتصال بالخادم { $host } غير مشفّر، ولذلك لم تُرسل بيانات تسجيل الدخول. لم تُرسل الرسالة.
problem-login_server_unproven = لم يثبت الخادم { $host } أنه يعرف كلمة مرورك، فربما اعترض أحدٌ الطريق. لم تُرسل كلمة المرور ولا الرسالة.

problem-encryption_required = يطلب الخادم { $host } اتصالًا مشفّرًا. لم تُرسل الرسالة.
problem-login_refused = لم يقبل الخادم { $host } اسم المستخدم وكلمة المرور. لم تُرسل الرسالة.
problem-login_not_offered = لا يتيح الخادم { $host } تسجيل الدخول على المنفذ { $port }، لكن اسم المستخدم محدَّد في الإعدادات. لم تُرسل الرسالة.
problem-login_unsupported = لا يتيح الخادم { $host } أي طريقة لتسجيل الدخول بكلمة مرور يعرفها البرنامج { $program }. لم تُرسل الرسالة.
problem-login_required = يطلب الخادم { $host } تسجيل الدخول قبل أن يقبل الرسائل. لم تُرسل الرسالة.
problem-token_refused = لم يسمح { $provider } بتسجيل دخول { $username }.
problem-http_unauthorized = رفضت خدمة الويب الوصول إليها. لم تُرسل الرسالة.

problem-server_busy = لا يقبل الخادم { $host } رسائل من هذا الحاسوب في الوقت الحالي. لم تُرسل الرسالة.
problem-login_deferred = تعذّر على الخادم { $host } التحقّق من تسجيل الدخول في الوقت الحالي. لم تُرسل الرسالة.
problem-sender_deferred = لا يقبل الخادم { $host } رسائل من { $sender } في الوقت الحالي. لم تُرسل الرسالة.
problem-recipient_deferred = لا يقبل الخادم { $host } رسائل إلى { $recipient } في الوقت الحالي. لم تُرسل الرسالة إلى أحد.
problem-recipient_deferred-copy = لا يقبل الخادم { $host } في الوقت الحالي رسائل إلى { $recipient }، وهو عنوانك للنُّسخ. لم تُرسل الرسالة إلى أحد.
problem-content_deferred = لم يأخذ الخادم { $host } الرسالة في الوقت الحالي. لم تُرسل الرسالة.
problem-http_busy = خدمة الويب مشغولة جدًا في الوقت الحالي. لم تُرسل الرسالة.

problem-server_refused = رفض الخادم { $host } التواصل مع هذا الحاسوب. لم تُرسل الرسالة.
problem-sender_refused = لا يقبل الخادم { $host } رسائل من { $sender }. لم تُرسل الرسالة.
problem-recipient_refused = رفض الخادم { $host } المستلم { $recipient }. لم تُرسل الرسالة إلى أحد.
problem-recipient_refused-copy = رفض الخادم { $host } العنوان { $recipient }، وهو عنوانك للنُّسخ. لم تُرسل الرسالة إلى أحد.
problem-content_refused = رفض الخادم { $host } الرسالة. لم تُرسل الرسالة.
size-kilobytes = { $number } كيلوبايت
size-megabytes = { $whole }.{ $tenth } ميغابايت
problem-too_large = { $limit_known ->
    [yes] الرسالة أكبر من اللازم: حجمها { $size }، والحد الأقصى لدى الخادم { $host } هو { $limit }. لم تُرسل الرسالة.
   *[other] الرسالة أكبر مما يقبله الخادم { $host }. لم تُرسل الرسالة.
}
problem-address_not_supported = لا يستطيع الخادم { $host } التعامل مع عنوان فيه قبل العلامة @ أحرف غير A إلى Z. لم تُرسل الرسالة.
problem-http_refused = أبلغت خدمة الويب عن خطأ.
problem-http_not_found = لا توجد خدمة بريد إلكتروني على عنوان الويب هذا. لم تُرسل الرسالة.
problem-http_redirected = تريد خدمة الويب تحويل المستند إلى عنوان آخر، وهذا لا يُنفَّذ حفاظًا على الأمان. لم تُرسل الرسالة.

problem-file_changed = تغيّر ملف المستند أو استُبدل أو حُذف قبل أن تكتمل الرسالة. لم تُرسل الرسالة.
problem-file_unreadable = تعذّرت قراءة ملف المستند. لم تُرسل الرسالة.

problem-no_verdict = نُقلت الرسالة كاملةً إلى { $host }، لكن لا يُعرف هل قُبلت. ربما سُلّمت وربما لم تُسلَّم، ولا يُعاد إرسالها تلقائيًا.
problem-canceled = أُلغي الإرسال. لم يُرسل شيء.
problem-internal = حدث خلل داخل mailbutton. هذا خطأ برمجي في mailbutton.

# Connecting
problem-no_network = تعذّر الوصول إلى الخادم { $host } مع أن اسمه صحيح: يبدو أن هذا الحاسوب غير متصل بالإنترنت. لم تُرسل الرسالة.
problem-blocked_on_this_computer = لا يسمح هذا الحاسوب للبرنامج { $program } بالاتصال بالخادم { $host }. لم تُرسل الرسالة.
problem-port_25_blocked = تعذّر الوصول إلى الخادم { $host } على المنفذ 25 الذي يحجبه معظم مزوّدي الإنترنت. لم تُرسل الرسالة.
problem-imap_port = المنفذ { $port } في الخادم { $host } مخصَّص لتلقّي الرسائل (IMAP)، لا لإرسالها. لم تُرسل الرسالة.
problem-pop3_port = المنفذ { $port } في الخادم { $host } مخصَّص لتلقّي الرسائل (POP3)، لا لإرسالها. لم تُرسل الرسالة.
problem-web_port = المنفذ { $port } في الخادم { $host } مخصَّص لصفحات الويب، لا لإرسال الرسائل. لم تُرسل الرسالة.
problem-not_a_mail_server = ما يجيب على المنفذ { $port } في الخادم { $host } ليس خادم بريد. لم تُرسل الرسالة.
problem-tls_from_the_start = ينتظر الخادم { $host } التشفير من البداية على المنفذ { $port }، أما الإعدادات فتبدأ من دونه. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-clear_at_the_start = يبدأ الخادم { $host } بلا تشفير على المنفذ { $port } ثم ينتقل إليه لاحقًا (STARTTLS)، أما الإعدادات فتشفّر من البداية. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-port_closed = رفض الخادم { $host } الاتصال على المنفذ { $port }، وهذا غير معتاد لدى المزوّد { $provider }: ربما يحجبه شيء ما على الطريق. لم تُرسل الرسالة.
problem-port_silent = لا يستجيب الخادم { $host } على المنفذ { $port }: ربما كان المنفذ غيره، أو يحجبه شيء ما على الطريق. لم تُرسل الرسالة.
problem-greeting_missing = قبل الخادم { $host } الاتصال على المنفذ { $port } ثم لم يقل شيئًا. لم تُرسل الرسالة.
problem-cut_off = انقطع الاتصال بالخادم { $host } على المنفذ { $port } في بدايته تمامًا. لم تُرسل الرسالة.
problem-queue_too_long = انتظرت هذه الرسالة الرسائل التي قبلها وقتًا أطول من اللازم. لم تُرسل الرسالة.

# Encryption
problem-starttls_hidden = يخفي شيء ما على الطريق إلى { $host } التشفير الذي يوفّره الخادم. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-tls_not_ready = لا يستطيع الخادم { $host } تشفير الاتصال في الوقت الحالي. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-starttls_broken = وافق الخادم { $host } على تشفير الاتصال ثم لم يفعل. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-client_certificate_wanted = لا يسمح الخادم { $host } إلا للبرامج التي تعرض شهادة خاصة بها. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-intercepted_by_antivirus = فتح برنامج مكافحة فيروسات ({ $issuer }) الاتصال المشفّر بالخادم { $host } ووضع فيه شهادته هو. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-intercepted_by_firewall = فتح جدار حماية هذه الشبكة ({ $issuer }) الاتصال المشفّر بالخادم { $host } ووضع فيه شهادته هو. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-captive_portal = أجاب جهاز في هذه الشبكة بدلًا من الخادم { $host }: يُحتمل أن الشبكة تطلب منك تسجيل الدخول إليها أولًا. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-clock_wrong = لا تتوافق شهادة الخادم { $host } مع تاريخ هذا الحاسوب، وربما كان التاريخ غير صحيح. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-certificate_not_the_providers = الشهادة التي وصلت ليست شهادة المزوّد { $provider }: وضع شيء ما بين هذا الحاسوب والخادم { $host } شهادته هو. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.
problem-certificate_self_signed = يعرض الخادم { $host } شهادة وقّعها بنفسه، ولذلك لا أحد يضمنها. لم تُرسل أي كلمة مرور ولم تُرسل الرسالة.

# Login
problem-sign_in_blocked = يطلب الخادم { $host } أن تؤكّد تسجيل الدخول في متصفّح ويب أولًا. لم تُرسل الرسالة.
problem-smtp_auth_off_tenant = أوقفت مؤسستك الإرسال بكلمة مرور (Authenticated SMTP) في Microsoft 365. لم تُرسل الرسالة.
problem-smtp_auth_off_mailbox = الإرسال بكلمة مرور (Authenticated SMTP) متوقف لصندوق البريد هذا في Microsoft 365. لم تُرسل الرسالة.
problem-password_login_over = لم يعد الخادم { $host } يسمح للبرامج بتسجيل الدخول بكلمة مرور. لم تُرسل الرسالة.
problem-blocked_by_sign_in_rules = لا تسمح قاعدة أمان في مؤسستك بتسجيل الدخول هذا. لم تُرسل الرسالة.
problem-account_locked = يقول الخادم { $host } إن هذا الحساب مقفل. لم تُرسل الرسالة.
problem-password_expired = يقول الخادم { $host } إن صلاحية كلمة المرور انتهت. لم تُرسل الرسالة.
problem-sign_in_scope = تسجيل الدخول لدى الخادم { $host } لا يسمح للبرنامج { $program } بإرسال الرسائل. لم تُرسل الرسالة.
problem-sign_in_again = لم يعد الخادم { $host } يقبل تسجيل دخول { $username }. لم تُرسل الرسالة.
problem-sign_in_refused = لم يقبل الخادم { $host } تسجيل دخول { $username }. لم تُرسل الرسالة.
problem-sign_in_expired = انتهت صلاحية تسجيل دخول { $username } لدى { $provider }.
problem-sign_in_denied = رُفض تسجيل الدخول في صفحة { $provider }.
problem-sign_in_busy = تسجيل الدخول لدى { $provider } غير متاح في الوقت الحالي.
problem-sign_in_needs_admin = على المسؤول أن يسمح بـ { $program } لدى { $provider } أولًا.
problem-sign_in_against_rules = لا تسمح قاعدة أمان في مؤسستك بتسجيل الدخول هذا لدى { $provider }.
problem-program_not_known = لا يعرف { $provider } برنامج { $program } بالبيانات التي قدّمها.
problem-sign_in_abandoned = لم يكتمل تسجيل الدخول في الوقت المحدد.
problem-sign_in_other_account = سجّل { $account } الدخول، بينما الإعدادات تخصّ { $username }.
problem-sign_in_no_listener = لا يستطيع { $program } استقبال نهاية تسجيل الدخول على هذا الحاسوب.
problem-sign_in_clock = لم يسمح { $provider } بتسجيل الدخول لأن تاريخ هذا الحاسوب أو وقته يختلف عن وقته.
problem-program_not_verified = لم يتحقّق { $provider } من { $program } بعد، ولا يسمح إلا لعدد قليل من الأشخاص بتسجيل الدخول به.
problem-gmail_app_password = لم يقبل المزوّد { $provider } تسجيل الدخول: المطلوب هنا كلمة مرور تطبيق، لا كلمة مرور حسابك على Google. لم تُرسل الرسالة.
problem-yahoo_app_password = لم يقبل المزوّد { $provider } تسجيل الدخول: المطلوب هنا كلمة مرور تطبيق، لا كلمة مرور موقعه. لم تُرسل الرسالة.
problem-icloud_app_password = لم يقبل المزوّد { $provider } تسجيل الدخول: المطلوب هنا كلمة مرور خاصة بالتطبيق، لا كلمة مرور حسابك على Apple. لم تُرسل الرسالة.
problem-too_many_logins = لا يقبل الخادم { $host } مزيدًا من عمليات تسجيل الدخول لبعض الوقت، لأن عددها كان كبيرًا. لم تُرسل الرسالة.
problem-app_password_required = لم يقبل الخادم { $host } تسجيل الدخول: المطلوب هنا كلمة مرور تطبيق، لا كلمة مرور الموقع. لم تُرسل الرسالة.
problem-access_for_programs_off = لم يقبل الخادم { $host } تسجيل الدخول: ربما كان وصول برامج البريد متوقفًا لصندوق البريد هذا. لم تُرسل الرسالة.
problem-ip_not_allowed = لا يسمح الخادم { $host } بتسجيل الدخول من عنوان الإنترنت لهذا الحاسوب. لم تُرسل الرسالة.
problem-key_username = لم يقبل المزوّد { $provider } تسجيل الدخول: اسم المستخدم هناك هو الكلمة apikey، وكلمة المرور مفتاح. لم تُرسل الرسالة.
problem-key_refused = لم يقبل المزوّد { $provider } اسم المستخدم والمفتاح. لم تُرسل الرسالة.
problem-password_login_ending = لم يقبل المزوّد { $provider } تسجيل الدخول: فهو يعمل على إيقاف تسجيل الدخول بكلمة المرور، وربما أوقفه لصندوق البريد هذا. لم تُرسل الرسالة.
problem-full_address_needed = لم يقبل الخادم { $host } تسجيل الدخول: اسم المستخدم هو عادةً عنوان البريد الإلكتروني الكامل. لم تُرسل الرسالة.
problem-password_or_app_password = لم يقبل المزوّد { $provider } اسم المستخدم وكلمة المرور: مع التحقّق بخطوتين تكون المطلوبة هنا كلمة مرور تطبيق. لم تُرسل الرسالة.
problem-port_25_without_login = لا يتيح الخادم { $host } تسجيل الدخول على المنفذ 25 المخصَّص للبريد بين الخوادم. لم تُرسل الرسالة.
problem-login_needs_encryption = لا يتيح الخادم { $host } تسجيل الدخول بلا تشفير. لم تُرسل الرسالة.
problem-only_sign_in_offered = لا يقبل الخادم { $host } كلمات مرور من البرامج، بل تسجيل الدخول في متصفّح الويب فقط. لم تُرسل الرسالة.
problem-sign_in_not_offered = لا يقبل الخادم { $host } تسجيل دخول من النوع الذي يعرفه { $program }. لم تُرسل الرسالة.

# Limits
problem-too_many_connections = لدى الخادم { $host } اتصالات متزامنة أكثر من اللازم من هذا الحساب أو هذا الحاسوب. لم تُرسل الرسالة.
problem-recipient_gets_too_many = يتلقّى العنوان { $recipient } حاليًا رسائل أكثر مما يقبله مزوّده. لم تُرسل الرسالة.
problem-daily_limit = استُنفد عدد الرسائل التي يقبلها الخادم { $host } من هذا الحساب في اليوم أو الشهر. لم تُرسل الرسالة.
problem-rate_limited = لا يقبل الخادم { $host } مزيدًا من الرسائل من هذا الحساب لبعض الوقت، لأن عددها كان كبيرًا في وقت قصير. لم تُرسل الرسالة.
problem-greylisted = يجعل الخادم { $host } أول رسالة تنتظر بضع دقائق لإبعاد البريد غير المرغوب فيه. لم تُرسل الرسالة بعد.

# The sender
problem-own_mailbox_full = صندوق بريدك أنت ممتلئ، ولذلك لا يقبل الخادم { $host } رسائل منك. لم تُرسل الرسالة.
problem-account_blocked = أوقف الخادم { $host } الإرسال من هذا الحساب. لم تُرسل الرسالة.
problem-sender_not_verified = لا يُرسل الخادم { $host } إلا من عناوين جرى تأكيدها لديه، والعنوان { $sender } ليس منها. لم تُرسل الرسالة.
problem-test_mode = ما زال الحساب لدى { $host } في الوضع التجريبي الذي لا يُرسل فيه إلا إلى عناوين مؤكَّدة. لم تُرسل الرسالة.
problem-sender_not_allowed = لا يسمح الخادم { $host } لهذا المستخدم بالإرسال من { $sender }. لم تُرسل الرسالة.
problem-sender_domain_unknown = لا يعرف الخادم { $host } الجزء الذي بعد العلامة @ في العنوان { $sender }. لم تُرسل الرسالة.
problem-sender_domain_protected = لا يسمح نطاق العنوان { $sender } للخادم { $host } بالإرسال باسمه (SPF أو DKIM أو DMARC). لم تُرسل الرسالة.
problem-sent_from_home = لا يقبل الخادم { $host } رسائل تأتي مباشرةً من اتصال إنترنت عادي. لم تُرسل الرسالة.
problem-blocklisted = عنوان الإنترنت الذي جاءت منه هذه الرسالة مدرج في قائمة لمرسلي البريد غير المرغوب فيه. لم تُرسل الرسالة.
problem-hello_refused = لم يقبل الخادم { $host } الاسم الذي عرّف به هذا الحاسوب نفسه. لم تُرسل الرسالة.
problem-login_needed_to_send = لا يقبل الخادم { $host } هذه الرسالة إلا بعد تسجيل الدخول، ولم يُحدَّد اسم مستخدم في الإعدادات. لم تُرسل الرسالة.
problem-relay_denied = لا ينقل الخادم { $host } الرسائل المرسلة من { $sender } إلى مزوّدين آخرين. لم تُرسل الرسالة.

# The recipients
problem-too_many_recipients = لا يقبل الخادم { $host } رسالة بهذا العدد من المستلمين. لم تُرسل الرسالة إلى أحد.
problem-mailbox_full = صندوق بريد المستلم { $recipient } ممتلئ. لم تُرسل الرسالة إلى أحد.
problem-recipient_disabled = لا يقبل صندوق بريد المستلم { $recipient } رسائل في الوقت الحالي. لم تُرسل الرسالة إلى أحد.
problem-recipient_domain_unknown = لا يقبل أي خادم بريد رسائل إلى { $recipient }: الجزء الذي بعد العلامة @ غير موجود، أو ليس له بريد. لم تُرسل الرسالة إلى أحد.
problem-recipient_malformed = لا يقبل الخادم { $host } القيمة { $recipient } عنوانًا للبريد الإلكتروني. لم تُرسل الرسالة إلى أحد.
problem-recipient_unknown = العنوان { $recipient } غير موجود، بحسب الخادم { $host }. لم تُرسل الرسالة إلى أحد.

# The content
problem-virus_found = يرى الخادم { $host } أن في الرسالة فيروسًا. لم تُرسل الرسالة.
problem-attachment_blocked = لا يقبل الخادم { $host } مرفقًا من هذا النوع. لم تُرسل الرسالة.
problem-spam_block = يعدّ الخادم { $host } هذه الرسالة بريدًا غير مرغوب فيه. لم تُرسل الرسالة.
problem-policy_block = لا تسمح قاعدة لدى الخادم { $host } بهذه الرسالة. لم تُرسل الرسالة.

# The server
problem-server_full = ليس لدى الخادم { $host } مكان لمزيد من الرسائل في الوقت الحالي. لم تُرسل الرسالة.
problem-server_trouble = لدى الخادم { $host } نفسه مشكلة في الوقت الحالي. لم تُرسل الرسالة.

# The web service
problem-relay_forbidden = تعرف خدمة الويب رمز الوصول هذا ولا تسمح له بالإرسال. لم تُرسل الرسالة.
problem-relay_rate_limited = لا تقبل خدمة الويب مزيدًا من الرسائل لبعض الوقت، لأن عددها كان كبيرًا في وقت قصير. لم تُرسل الرسالة.
problem-relay_gateway = تعذّر الوصول إلى خدمة الويب خلف عنوانها. لم تُرسل الرسالة.
problem-not_a_relay = ما يجيب على عنوان الويب هذا ليس خدمة بريد إلكتروني. لم تُرسل الرسالة.
problem-network_wants_sign_in = تطلب منك هذه الشبكة تسجيل الدخول إليها قبل أن تسمح بمرور أي شيء. لم تُرسل الرسالة.
problem-relay_account = تطلب خدمة الويب ترتيب أمور حسابها أولًا، كدفعة مستحقة مثلًا. لم تُرسل الرسالة.
problem-relay_rejects_email = لا تقبل خدمة الويب الرسالة كما هي. لم تُرسل الرسالة.
problem-relay_broken = لدى خدمة الويب نفسها مشكلة. لم تُرسل الرسالة.
problem-gateway_lost_answer = نُقلت الرسالة كاملةً إلى { $host }، لكن خدمة الويب التي خلفه لم تُجب. ربما سُلّمت وربما لم تُسلَّم، ولا يُعاد إرسالها تلقائيًا.

## What to do: each begins with what to do

advice-check_host = تحقّق من كتابة اسم الخادم، أو ابحث عنه في صفحات المساعدة لدى مزوّدك.
advice-check_host_and_port = تحقّق من اسم الخادم والمنفذ في صفحات المساعدة لدى مزوّدك؛ المنفذان المعتادان هما 587 و465.
advice-check_internet = تحقّق من أن هذا الحاسوب متصل بالإنترنت، بفتح صفحة ويب مثلًا.
advice-check_proxy = تحقّق من الخادم الوكيل { $proxy } في إعدادات البرنامج { $program }، أو اسأل من أعدّه.
advice-check_proxy_login = تحقّق من اسم المستخدم وكلمة المرور للخادم الوكيل { $proxy } في إعدادات البرنامج { $program }.
advice-ask_proxy = اطلب ممن يدير الخادم الوكيل { $proxy } السماح بالاتصال بالخادم { $host } على المنفذ { $port }، واعرض عليه هذه الرسالة.
advice-firewall = تحقّق هل يحجب جدار حماية أو برنامج مكافحة فيروسات البرنامج { $program }، بالسماح له هناك أو بإيقاف حماية البريد مؤقتًا لاختبار واحد.
advice-other_program = جرّب الإعدادات نفسها في Thunderbird: إذا لم تنجح هناك أيضًا فالسبب في الإعدادات أو لدى المزوّد، وإذا نجحت هناك فثمة شيء يحجب البرنامج { $program }.
advice-other_network = جرّب شبكة أخرى، مثل نقطة اتصال هاتفك.
advice-try_again = أعد المحاولة بعد دقيقة.
advice-fewer_at_once = أرسل عددًا أقل من الرسائل دفعةً واحدة، أو انتظر حتى تُرسل الرسائل الأخرى.
advice-try_later = أعد المحاولة لاحقًا؛ فقد يذكر الخادم في كلامه متى يمكن ذلك.
advice-check_limits = تحقّق من عدد الرسائل التي يسمح بها مزوّدك في الساعة وفي اليوم.
advice-port_25_blocked = استخدم المنفذ 587 بدلًا من 25 الذي يحجبه معظم مزوّدي الإنترنت.
advice-mode_of_465 = اضبط التشفير على «تلقائي»: المنفذ 465 يستخدم TLS من البداية.
advice-try_auto = اضبط التشفير على «تلقائي» ثم أعد المحاولة.
advice-mode_of_587 = اضبط التشفير على «تلقائي»: المنفذ { $port } يبدأ بلا تشفير ثم ينتقل إليه عبر STARTTLS.
advice-try_587 = استخدم المنفذ 587 مع التشفير «تلقائي».
advice-try_465 = استخدم المنفذ 465 مع التشفير «تلقائي».
advice-ask_provider = اسأل مزوّدك أو مسؤول النظام، واعرض عليه هذه الرسالة.
advice-server_must_update = اطلب من مسؤول الخادم تفعيل TLS 1.2 أو 1.3.
advice-other_server = استخدم خادم بريد آخر، إذا كان لدى مزوّدك خادم آخر.
advice-check_clock = تحقّق من التاريخ والوقت على هذا الحاسوب.
advice-renew_certificate = اطلب من مسؤول الخادم تجديد شهادته.
advice-accept_certificate = اقبل هذه الشهادة، لكن فقط إذا كان الخادم لك وكانت البصمة هي التي يعطيك إياها مسؤوله.
advice-use_what_works = استخدم المنفذ { $port } مع التشفير «تلقائي»: جُرِّب للتو، والخادم { $host } يستجيب عليه.
advice-use_what_works-auto = اضبط التشفير على «تلقائي»: جُرِّب للتو على المنفذ { $port }، والخادم { $host } يستجيب.
advice-use_what_works-tls = اضبط التشفير على «TLS من البداية»: جُرِّب للتو على المنفذ { $port }، والخادم { $host } يستجيب.
advice-compare_certificate = اسأل مسؤول الخادم هل جُدّدت الشهادة، وقارن البصمة قبل أن تقبلها.
advice-use_certificate_name = استخدم الخادم { $certificate_name } وأدخل كلمة المرور من جديد، لكن فقط إذا كان هذا الخادم لمزوّدك.
advice-intercepted = أوقف فحص البريد في برنامج مكافحة الفيروسات: فهو يضع شهادته مكان شهادة المزوّد { $provider }.
advice-use_tls = اضبط التشفير على «تلقائي».
advice-allow_insecure_login = اسمح بكلمة المرور غير المشفّرة فقط إذا كان الخادم على شبكتك الخاصة وليس لديه تشفير.

advice-app_password-gmail = استخدم كلمة مرور تطبيق: فعّل في حسابك على Google التحقّق بخطوتين ضمن «الأمان»، ثم افتح «كلمات مرور التطبيقات»، وأنشئ كلمة مرور للبرنامج { $program }، وأدخلها هنا بدلًا من كلمة مرورك المعتادة.
advice-app_password-yahoo = استخدم كلمة مرور تطبيق: افتح صفحة «أمان الحساب» في Yahoo (login.yahoo.com/account/security)، واختر «إنشاء كلمة مرور تطبيق» (Generate app password)، واختر «أخرى» (Other)، واكتب { $program }، واضغط «إنشاء» (Generate)، وانسخها إلى حقل كلمة المرور.
advice-app_password-icloud = استخدم كلمة مرور خاصة بالتطبيق: سجّل الدخول على account.apple.com، وافتح «تسجيل الدخول والأمان»، واختر «كلمات السر الخاصة بالتطبيقات»، وأنشئ كلمة مرور للبرنامج { $program }، وأدخلها هنا بدلًا من كلمة مرورك المعتادة.
advice-app_password = استخدم كلمة مرور تطبيق، لأن المزوّد { $provider } لا يقبل هنا كلمة مرورك المعتادة: تشرح صفحات المساعدة لديه كيفية إنشائها.
advice-app_password-two_steps = استخدم كلمة مرور تطبيق إذا كان التحقّق بخطوتين مفعّلًا لدى المزوّد { $provider }: تشرح صفحات المساعدة لديه كيفية إنشائها.
advice-app_password-any = استخدم كلمة مرور تطبيق إذا كان لدى مزوّدك تحقّق بخطوتين: فهو عندئذٍ لا يقبل هنا كلمة مرورك المعتادة.
advice-password_login_off = اطلب من مسؤول النظام السماح بتسجيل الدخول بكلمة المرور لصندوق البريد هذا (Authenticated SMTP): يعمل المزوّد { $provider } على إيقافه، ومن دونه لا تعمل هنا أي كلمة مرور.
advice-other_account = استخدم حساب بريد إلكتروني آخر للإرسال: لم يعد المزوّد { $provider } يسمح للبرامج بتسجيل الدخول بكلمة مرور.
advice-full_address = استخدم عنوان بريدك الإلكتروني الكامل اسمًا للمستخدم: هذا ما يطلبه معظم المزوّدين.
advice-check_key = تحقّق من اسم المستخدم والمفتاح: يطلب المزوّد { $provider } مفتاحًا يُنشأ على موقعه، لا كلمة المرور التي تسجّل بها الدخول هناك.
advice-check_login = تحقّق من اسم المستخدم وكلمة المرور بتسجيل الدخول على موقع مزوّدك.
advice-login_off = امسح اسم المستخدم إذا كان هذا الخادم لا يحتاج إلى تسجيل الدخول.
advice-enter_login = أدخل اسم المستخدم وكلمة المرور لحساب بريدك الإلكتروني.
advice-check_token = تحقّق من رمز الوصول الذي أعطاك إياه مشغّل خدمة الويب.
advice-check_sender = أرسل من العنوان الذي يخصّه هذا الحساب، أو اطلب من المزوّد السماح بالعنوان { $sender } عنوانًا بديلًا.
advice-check_recipient = تحقّق من كتابة عنوان المستلم.
advice-check_relay = أدخل اسم المستخدم وكلمة المرور لحساب بريدك الإلكتروني: من دون تسجيل الدخول لا تقبل معظم الخوادم إلا رسائل إلى مستخدميها.
advice-check_content = تحقّق في الرسالة مما يشير إليه الخادم في كلامه.
advice-make_smaller = صغّر حجم المرفقات، أو أرسلها في عدة رسائل.
advice-send_link = أرسل رابطًا إلى المستند بدلًا منه.
advice-plain_address = اطلب من المستلم عنوانًا ليس فيه إلا الأحرف A إلى Z، أو استخدم مزوّدًا يدعم مثل هذه العناوين.
advice-check_url = تحقّق من عنوان خدمة الويب مع مشغّلها.
advice-ask_relay = اسأل مشغّل خدمة الويب، واعرض عليه هذه الرسالة.
advice-complete_file = أرسل الرسالة مرة أخرى عندما يكتمل ملف المستند ولا يعود شيء يكتب فيه.
advice-check_file = تحقّق من أن ملف المستند يمكن فتحه، ثم أرسل الرسالة مرة أخرى.
advice-ask_recipient = اسأل المستلم هل وصلت الرسالة قبل أن ترسلها مرة أخرى.
advice-look_in_sent = انظر في مجلد الرسائل المرسلة في صندوق بريدك: يضع كثير من المزوّدين هناك نسخة مما أُرسل.
advice-report_bug = أبلغ الجهة المطوّرة للبرنامج { $program } بهذه المشكلة.

advice-use_sending_port = استخدم خادم الإرسال مع المنفذ 587 والتشفير «تلقائي»؛ وغالبًا ما يبدأ اسمه بكلمة smtp.
advice-use_sending_server = استخدم خادم الإرسال لدى المزوّد { $provider }، وهو { $sending_host }، على المنفذ { $sending_port }.
advice-try_tls = اضبط التشفير على «TLS من البداية».
advice-intercepted-host = أوقف فحص البريد في برنامج مكافحة الفيروسات، أو اجعله يستثني الخادم { $host }: فهو يضع شهادته مكان شهادة الخادم.
advice-ask_network = اطلب ممن يدير هذه الشبكة السماح بمرور الاتصالات بالخادم { $host } من دون فتحها.
advice-sign_in_network = افتح أي صفحة ويب في متصفّح، وسجّل الدخول إلى هذه الشبكة، ثم أعد الاختبار.
advice-sign_in_browser = سجّل الدخول إلى صندوق بريدك في متصفّح ويب، وأكّد أن المحاولة كانت منك، ثم أعد الاختبار.
advice-sign_in_again = سجّل الدخول مرة أخرى.
advice-sign_in_consent = سجّل الدخول مرة أخرى، واسمح للبرنامج { $program } بإرسال الرسائل عندما يُطلب منك ذلك.
advice-check_sign_in = تحقّق من أن الحساب الذي سجّل الدخول مسموح له بالإرسال باسم { $username }.
advice-use_password = اختر تسجيل الدخول باسم المستخدم وكلمة المرور.
advice-allow_program = اطلب من المسؤول السماح للبرنامج { $program } بإرسال الرسائل، وأره هذه الرسالة.
advice-register_program = اطلب من صانع { $program } التحقّق من كيفية تسجيله لدى { $provider }، وأره هذه الرسالة.
advice-sign_in_as = سجّل الدخول مرة أخرى واختر الحساب { $username } في صفحة { $provider }.
advice-use_signed_in_account = أرسل باسم { $account } بدلًا من ذلك.
advice-restart_and_sign_in = سجّل الدخول مرة أخرى بعد إعادة تشغيل الحاسوب.
advice-verify_program = اطلب من صانع { $program } أن يعرضه على { $provider } للتحقّق منه.
advice-verify_program-weekly = اطلب من صانع { $program } أن يعرضه على { $provider } للتحقّق منه إذا كان عليك تسجيل الدخول من جديد كل أسبوع.
advice-verify_program-blocked = اطلب من صانع { $program } أن يعرضه على { $provider } للتحقّق منه إذا ذكرت الصفحة أنه محظور أو لم يُتحقّق منه.
advice-sign_in_instead = سجّل الدخول عبر { $provider } بدلًا من استخدام كلمة مرور.
advice-sign_in_instead-unregistered = اطلب من صانع { $program } تسجيله لدى { $provider } لتتمكّن من تسجيل الدخول دون كلمة مرور.
advice-allow_smtp_auth-tenant = اطلب من مسؤول النظام تفعيل Authenticated SMTP في Microsoft 365 لمؤسستك أو لصندوق البريد هذا وحده.
advice-allow_smtp_auth-mailbox = اطلب من مسؤول النظام تفعيل Authenticated SMTP لصندوق البريد هذا: في مركز مسؤولي Microsoft 365، ضمن «المستخدمون النشطون»، ثم المستخدم، ثم «البريد»، ثم «إدارة تطبيقات البريد الإلكتروني».
advice-other_account-any = استخدم للإرسال حساب بريد إلكتروني آخر يسمح للبرامج بتسجيل الدخول بكلمة مرور.
advice-ask_administrator = اطلب من مسؤول النظام خادمًا يمكن للبرامج أن تُرسل عبره، واعرض عليه هذه الرسالة.
advice-allow_in_rules = اطلب من مسؤول النظام استثناء صندوق البريد هذا من القاعدة التي تمنع تسجيل الدخول بكلمة المرور (الإعدادات الافتراضية للأمان أو الوصول المشروط).
advice-unlock_account = سجّل الدخول على موقع مزوّدك لفتح قفل الحساب.
advice-renew_password = غيّر كلمة المرور على موقع مزوّدك، وأدخل الجديدة هنا.
advice-switch_access_on = فعّل وصول برامج البريد (POP3 وIMAP وSMTP) في إعدادات صندوق بريدك على موقع مزوّدك.
advice-allow_ip = أضف عنوان الإنترنت لهذا الحاسوب إلى العناوين المسموح بها في حسابك على موقع المزوّد.
advice-use_username_apikey = استخدم الكلمة apikey اسمًا للمستخدم، ومفتاحًا منشأً لدى المزوّد { $provider } كلمةً للمرور.
advice-use_login_port = استخدم المنفذ 587 مع التشفير «تلقائي» ومع اسم المستخدم وكلمة المرور لحساب بريدك الإلكتروني.
advice-wait-seconds = { $count ->
    [zero] أعد المحاولة الآن.
    [one] أعد المحاولة بعد ثانية واحدة.
    [two] أعد المحاولة بعد ثانيتين.
    [few] أعد المحاولة بعد { $count } ثوانٍ.
    [many] أعد المحاولة بعد { $count } ثانية.
   *[other] أعد المحاولة بعد { $count } ثانية.
}
advice-wait-minutes = { $count ->
    [zero] أعد المحاولة الآن.
    [one] أعد المحاولة بعد دقيقة واحدة.
    [two] أعد المحاولة بعد دقيقتين.
    [few] أعد المحاولة بعد { $count } دقائق.
    [many] أعد المحاولة بعد { $count } دقيقة.
   *[other] أعد المحاولة بعد { $count } دقيقة.
}
advice-wait-hours = { $count ->
    [zero] أعد المحاولة الآن.
    [one] أعد المحاولة بعد ساعة واحدة.
    [two] أعد المحاولة بعد ساعتين.
    [few] أعد المحاولة بعد { $count } ساعات.
    [many] أعد المحاولة بعد { $count } ساعة.
   *[other] أعد المحاولة بعد { $count } ساعة.
}
advice-try_tomorrow = أعد المحاولة غدًا، أو اطلب من مزوّدك حدًّا أعلى.
advice-open_link = افتح الصفحة التي يذكرها الخادم: فهي تبيّن السبب وما يمكن فعله.
advice-other_programs = أغلق البرامج والأجهزة الأخرى التي تُرسل عبر الحساب نفسه، أو انتظر حتى تنتهي.
advice-ask_recipient_other_address = اطلب من المستلم عنوانًا آخر، بالهاتف مثلًا.
advice-free_space = احذف الرسائل القديمة من صندوق بريدك أنت، ومنها المرسلة أيضًا، أو اطلب من مزوّدك مساحة أكبر.
advice-verify_sender = أكّد العنوان { $sender } مرسِلًا على موقع مزوّدك، أو أرسل من عنوان مؤكَّد هناك.
advice-leave_test_mode = اطلب من المزوّد إنهاء الوضع التجريبي لحسابك، أو أرسل فقط إلى عناوين مؤكَّدة هناك.
advice-check_sender_domain = تحقّق من كتابة الجزء الذي بعد العلامة @ في العنوان { $sender }.
advice-ask_domain = اطلب ممن يدير نطاق العنوان { $sender } السماح للخادم { $host } بالإرسال باسمه، أو أرسل عبر خادم ذلك النطاق.
advice-ask_program = اطلب من الجهة المطوّرة للبرنامج { $program } تعيين اسم مناسب لهذا الحاسوب.
advice-check_copy = تحقّق من عنوان النُّسخ في الإعدادات.
advice-fewer_recipients = أرسل الرسالة إلى عدد أقل من المستلمين في كل مرة.
advice-tell_recipient_full = أخبر المستلم بطريقة أخرى أن صندوق بريده ممتلئ، وأرسل الرسالة مرة أخرى لاحقًا.
advice-check_domain = تحقّق من كتابة الجزء الذي بعد العلامة @ في العنوان { $recipient }.
advice-scan_files = افحص المرفقات ببرنامج مكافحة فيروسات قبل أن ترسلها إلى أي أحد.
advice-remove_attachment = احذف المرفق الذي ليس مستندًا، كبرنامج أو ملف مضغوط.
advice-change_words = اكتب الموضوع والنص بكلمات أخرى وبلا روابط، ثم أرسل الرسالة مرة أخرى.

## The words of a user interface around the form and the email

word-settings_title = إعدادات البريد الإلكتروني
word-loading = جارٍ التحميل…
word-saved = حُفظت الإعدادات.
word-try_again = حاول مرة أخرى
word-no_answer = لا يستجيب { $program }. لم يتغير شيء.
word-connection_lost = انقطع الاتصال مع { $program }. حاول مرة أخرى لترى كيف سار الأمر.
word-end_unknown = لا يعرف { $program } كيف انتهى الأمر. اسأل المستلم هل وصلت الرسالة قبل أن ترسلها مرة أخرى.
word-other_version = جزء من هذا النموذج أحدث من هذه الصفحة ولا يمكن عرضه كاملًا.
word-required = مطلوب
word-show_password = إظهار
word-hide_password = إخفاء
word-use_proposal = استخدم هذه الإعدادات
word-provider_steps = كيفية إعداد { $provider }
word-open_page = افتح الصفحة
word-testing = جارٍ الاختبار…
word-cancel = إلغاء
word-canceling = جارٍ الإلغاء…
word-close = إغلاق
word-step_ok = تم
word-step_failed = فشل
word-step_skipped = لم يُبلَغ
word-what_to_do = ما العمل
word-apply = تطبيق
word-apply_and_test = طبّق واختبر من جديد
word-server_said = قال الخادم
word-details = التفاصيل
word-certificate = الشهادة
word-certificate_subject = صادرة إلى
word-certificate_issuer = صادرة عن
word-certificate_valid = صالحة
word-certificate_names = الأسماء
word-certificate_fingerprint = بصمة SHA-256
word-accept_certificate = اقبل واختبر من جديد
word-signed_in_as = تم تسجيل الدخول باسم { $account }
word-sign_in_waiting = في انتظار تسجيل الدخول في المتصفح…
word-sign_in_open = افتح صفحة تسجيل الدخول
word-sign_in_code = أدخل هذا الرمز هناك
word-email_title = إرسال بالبريد الإلكتروني
word-to = إلى
word-cc = نسخة
word-bcc = نسخة مخفية
word-show_cc_bcc = نسخة ونسخة مخفية
word-addresses_help = تُفصل العناوين المتعددة بفواصل.
word-subject = الموضوع
word-message = الرسالة
word-write = كتابة
word-preview = معاينة
word-markdown_help = يمكن استخدام **عريض** و*مائل* وقوائم و[روابط](https://example.com).
word-document = المستند
word-attachments = المرفقات
word-add_attachment = أضف ملفًا
word-remove_attachment = أزل { $file }
word-send = إرسال
word-sending = جارٍ الإرسال…
word-before_sending = قبل الإرسال
word-send_anyway = أرسل على أي حال
word-recipient = المستلم
word-outcome = النتيجة
word-outcome_accepted = قُبل
word-outcome_refused = رُفض
word-outcome_deferred = ليس الآن
word-outcome_not_sent = لم يُرسل
word-outcome_uncertain = غير مؤكد
word-discard_question = الإغلاق دون إرسال؟ سيضيع ما كتبته.
word-discard = أغلق دون إرسال
word-keep_editing = تابع التحرير
