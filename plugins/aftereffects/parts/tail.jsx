// Opening: one panel at a time; the former one's timer ends by itself.

PF.open = function () {
    var panel, former = $.global.peerfarmPanel;
    if (former) { former.close(); }
    panel = new PF.Panel(root);
    $.global.peerfarmPanel = panel;
    if (!PF.network.isAllowed()) {
        panel.say(PF.network.explain());
        panel.on(panel.refresh, function () {
            if (PF.network.isAllowed()) {
                panel.say("");
                panel.on(panel.refresh, function () { panel.look(); });
                panel.tick();
            } else {
                app.executeCommand(app.findMenuCommandId("Scripting & Expressions..."));
            }
        });
    } else {
        panel.tick();
    }
    if (panel.window instanceof Window) {
        panel.window.center();
        panel.window.show();
    } else {
        panel.window.layout.layout(true);
    }
};

$.global.peerfarm = PF;
PF.open();

}(this));
