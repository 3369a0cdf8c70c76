"""People in front of the screen: one with a mouse, and one with a keyboard alone."""


class Mouse:
    def __init__(self, page):
        self.page = page

    def press(self, what):
        what.click()

    def type(self, what, text):
        what.click()
        what.press("ControlOrMeta+a")
        what.press_sequentially(text)


class Keyboard(Mouse):
    """Goes with Tab from wherever the focus is, and round the page once at most."""

    def go_to(self, what):
        what.wait_for()
        for _ in range(200):
            if what.evaluate("element => element.matches(':focus')"):
                assert what.evaluate("element => element.matches(':focus-visible')"), f"{what} does not show its focus"
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not get to {what}")

    def press(self, what):
        self.go_to(what)
        is_link = what.evaluate("element => element.localName === 'a'")
        self.page.keyboard.press("Enter" if is_link else "Space")

    def type(self, what, text):
        self.go_to(what)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)


PEOPLE = {"mouse": Mouse, "keyboard": Keyboard}
